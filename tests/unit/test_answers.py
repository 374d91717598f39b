"""What a worker keeps of its answers."""

from __future__ import annotations

from common.usecases.answers import Answer, Answers

BUNDLE = "20260101T000000Z-1"


def answer(n_bytes: int, bundle_id: str = BUNDLE) -> Answer:
    return Answer(b"x" * n_bytes, (), bundle_id)


def test_an_answer_is_given_again() -> None:
    answers = Answers(BUNDLE)
    first = answer(3)
    answers.keep("question", first)
    assert answers.find("question") is first
    assert answers.find("another") is None


def test_the_answer_used_longest_ago_goes_when_the_room_ends() -> None:
    answers = Answers(BUNDLE, max_bytes=24)
    for question in ("a", "b"):
        answers.keep(question, answer(5))
    assert answers.find("a")
    answers.keep("c", answer(5))
    assert answers.find("a")
    assert answers.find("c")
    assert answers.find("b") is None


def test_an_answer_larger_than_the_room_is_not_kept() -> None:
    answers = Answers(BUNDLE, max_bytes=2)
    answers.keep("large", answer(3))
    assert answers.find("large") is None


def test_long_questions_take_room_as_well() -> None:
    answers = Answers(BUNDLE, max_bytes=10_000)
    answers.keep("short", answer(1))
    for number in range(3):
        answers.keep(str(number) * 2_000, answer(1))
    assert answers.find("short") is None


def test_an_answer_that_is_kept_twice_takes_its_room_once() -> None:
    answers = Answers(BUNDLE, max_bytes=24)
    for question in ("a", "b", "b", "b"):
        answers.keep(question, answer(5))
    assert answers.find("a")


def test_an_answer_of_another_bundle_is_not_kept() -> None:
    """A bundle may be replaced while an answer is made."""
    answers = Answers(BUNDLE)
    answers.keep("question", answer(3, "20260101T000000Z-2"))
    assert answers.find("question") is None
