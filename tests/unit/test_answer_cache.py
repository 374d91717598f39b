"""What a worker keeps of its answers."""

from __future__ import annotations

from common.usecases.recommend.answer_cache import Answer, AnswerCache, CacheKey

BUNDLE = "20260101T000000Z-1"


def asked(subject: str) -> CacheKey:
    return b"", b"", None, subject


def answer(n_bytes: int, bundle_id: str = BUNDLE) -> Answer:
    return Answer(b"x" * n_bytes, (), bundle_id)


def test_an_answer_is_given_again() -> None:
    answers = AnswerCache(BUNDLE)
    first = answer(3)
    answers.keep(asked("question"), first)
    assert answers.find(asked("question")) is first
    assert answers.find(asked("another")) is None


def test_the_answer_used_longest_ago_goes_when_the_room_ends() -> None:
    answers = AnswerCache(BUNDLE, max_bytes=20)
    for question in ("a", "b"):
        answers.keep(asked(question), answer(5))
    assert answers.find(asked("a"))
    answers.keep(asked("c"), answer(5))
    assert answers.find(asked("a"))
    assert answers.find(asked("c"))
    assert answers.find(asked("b")) is None


def test_an_answer_larger_than_the_room_is_not_kept() -> None:
    answers = AnswerCache(BUNDLE, max_bytes=2)
    answers.keep(asked("large"), answer(3))
    assert answers.find(asked("large")) is None


def test_long_questions_take_room_as_well() -> None:
    answers = AnswerCache(BUNDLE, max_bytes=10_000)
    answers.keep(asked("short"), answer(1))
    for number in range(3):
        answers.keep(asked(str(number) * 2_000), answer(1))
    assert answers.find(asked("short")) is None


def test_an_answer_that_is_kept_twice_takes_its_room_once() -> None:
    answers = AnswerCache(BUNDLE, max_bytes=24)
    for question in ("a", "b", "b", "b"):
        answers.keep(asked(question), answer(5))
    assert answers.find(asked("a"))


def test_an_answer_of_another_bundle_is_not_kept() -> None:
    """A bundle may be replaced while an answer is made."""
    answers = AnswerCache(BUNDLE)
    answers.keep(asked("question"), answer(3, "20260101T000000Z-2"))
    assert answers.find(asked("question")) is None
