"""What a worker keeps of the query strings that it has read."""

from __future__ import annotations

import string
from collections.abc import Callable
from random import Random

import pytest

from common.edges.http_fields import ListFields, PersonFields
from common.edges.query_cache import QueryCache
from common.errors import BadRequest
from common.usecases.recommend.question_bounds import MAX_COLUMNS, MAX_FILTER_VALUES
from tests.held import held_bytes

MAX_BYTES = 1 << 20
RANDOM = Random(7)


def hostile() -> bytes:
    """As many short values of as many columns as may be asked for: of all strings what is read from it takes most."""
    names = string.ascii_letters[:MAX_COLUMNS].encode()
    values = [RANDOM.randrange(1 << 16) for _ in range(MAX_FILTER_VALUES)]
    return b"&".join(b"attr.%c=%04x" % (names[place % len(names)], value) for place, value in enumerate(values))


def emoji() -> bytes:
    return b"&".join(b"exclude=%06x%s" % (RANDOM.randrange(1 << 24), b"%F0%9F%98%80" * 5) for _ in range(150))


def ordinary() -> bytes:
    return b"item_id=tea-%06x&n=8" % RANDOM.randrange(1 << 24)


@pytest.mark.parametrize(("made", "times"), [(hostile, 60), (emoji, 40), (ordinary, 2_000)])
def test_it_takes_no_more_memory_than_it_may(made: Callable[[], bytes], times: int) -> None:
    cache = QueryCache(max_n=50, max_bytes=MAX_BYTES)

    def fill() -> None:
        for _ in range(times):
            cache.read(PersonFields, made())

    cache.read(PersonFields, made())  # what the first use makes is not the cache's
    assert MAX_BYTES / 8 < held_bytes(fill) <= MAX_BYTES


def test_a_query_is_read_once() -> None:
    cache = QueryCache(max_n=50)
    first = cache.read(PersonFields, b"n=3&user_id=ann")
    assert cache.read(PersonFields, b"n=3&user_id=ann") is first
    assert (first.query.n, first.user_id) == (3, "ann")


def test_the_same_string_is_another_query_elsewhere() -> None:
    cache = QueryCache(max_n=50)
    assert cache.read(PersonFields, b"item_id=a").query.page == "a"
    with pytest.raises(BadRequest, match="item_id"):
        cache.read(ListFields, b"item_id=a")


def test_what_is_refused_is_refused_again() -> None:
    cache = QueryCache(max_n=50)
    for _ in range(2):
        with pytest.raises(BadRequest, match="at most 50"):
            cache.read(ListFields, b"n=51")
