"""What a worker keeps of its answers."""

from __future__ import annotations

import pytest

from common.errors import NotFound
from common.usecases.answers import Answer, Answers


def answer(n_bytes: int) -> Answer:
    return Answer(b"x" * n_bytes, ())


def refuse() -> Answer:
    raise AssertionError("made a second time")


def test_an_answer_is_made_once() -> None:
    answers = Answers()
    first = answers.find("question", lambda: answer(3))
    assert answers.find("question", refuse) is first


def test_the_answer_used_longest_ago_goes_when_the_room_ends() -> None:
    answers = Answers(max_bytes=24)
    for question in ("a", "b"):
        answers.find(question, lambda: answer(5))
    answers.find("a", refuse)
    answers.find("c", lambda: answer(5))
    answers.find("a", refuse)
    with pytest.raises(AssertionError, match="second time"):
        answers.find("b", refuse)


def test_an_answer_larger_than_the_room_is_given_and_not_kept() -> None:
    answers = Answers(max_bytes=2)
    assert len(answers.find("large", lambda: answer(3)).body) == 3
    with pytest.raises(AssertionError, match="second time"):
        answers.find("large", refuse)


def test_long_questions_take_room_as_well() -> None:
    answers = Answers(max_bytes=10_000)
    answers.find("short", lambda: answer(1))
    for number in range(3):
        answers.find(str(number) * 2_000, lambda: answer(1))
    with pytest.raises(AssertionError, match="second time"):
        answers.find("short", refuse)


def test_a_failure_is_not_kept() -> None:
    answers = Answers()

    def fail() -> Answer:
        raise NotFound("nothing of this id")

    with pytest.raises(NotFound):
        answers.find("question", fail)
    assert answers.find("question", lambda: answer(1)) == answer(1)
