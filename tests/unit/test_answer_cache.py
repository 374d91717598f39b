"""What a worker keeps of its answers."""

from __future__ import annotations

import pytest

from common.usecases.recommend.answer_cache import Answer, AnswerCache, CacheKey
from tests.held import held_bytes

BUNDLE = "20260101T000000Z-1"


def cache_key(subject: str) -> CacheKey:
    return b"", b"", None, subject


def answer(n_bytes: int, bundle_id: str = BUNDLE) -> Answer:
    return Answer(b"x" * n_bytes, (), bundle_id)


def test_an_answer_is_given_again() -> None:
    answers = AnswerCache(BUNDLE)
    first = answer(3)
    answers.keep(cache_key("question"), first)
    assert answers.find(cache_key("question")) is first
    assert answers.find(cache_key("another")) is None


def test_the_answer_used_longest_ago_goes_when_the_room_ends() -> None:
    answers = AnswerCache(BUNDLE, max_bytes=12_000)
    for subject in ("a", "b"):
        answers.keep(cache_key(subject), answer(5_000))
    assert answers.find(cache_key("a"))
    answers.keep(cache_key("c"), answer(5_000))
    assert answers.find(cache_key("a"))
    assert answers.find(cache_key("c"))
    assert answers.find(cache_key("b")) is None


def test_an_answer_larger_than_the_room_is_not_kept() -> None:
    answers = AnswerCache(BUNDLE, max_bytes=2_000)
    answers.keep(cache_key("large"), answer(3_000))
    assert answers.find(cache_key("large")) is None


def test_long_keys_take_room_as_well() -> None:
    answers = AnswerCache(BUNDLE, max_bytes=10_000)
    answers.keep(cache_key("short"), answer(1))
    for number in range(3):
        answers.keep(cache_key(str(number) * 2_000), answer(1))
    assert answers.find(cache_key("short")) is None


def test_an_answer_that_is_kept_twice_takes_its_room_once() -> None:
    answers = AnswerCache(BUNDLE, max_bytes=12_000)
    for subject in ("a", "b", "b", "b"):
        answers.keep(cache_key(subject), answer(5_000))
    assert answers.find(cache_key("a"))


@pytest.mark.parametrize(("body", "key"), [(60, 2), (300, 40), (4_000, 40), (300, 8_000)])
def test_answers_take_no_more_memory_than_they_may(body: int, key: int) -> None:
    max_bytes = 1 << 20
    answers = AnswerCache(BUNDLE, max_bytes)

    def fill() -> None:
        for number in range(3 * max_bytes // (body + 2 * key)):
            query_string = b"%d%s" % (number, b"x" * key)
            answers.keep((b"/v1/popular", query_string, None, None), Answer(bytes(body), (), BUNDLE))

    assert max_bytes / 8 < held_bytes(fill) <= max_bytes


def test_an_answer_of_another_bundle_is_not_kept() -> None:
    """A bundle may be replaced while an answer is made."""
    answers = AnswerCache(BUNDLE)
    answers.keep(cache_key("question"), answer(3, "20260101T000000Z-2"))
    assert answers.find(cache_key("question")) is None
