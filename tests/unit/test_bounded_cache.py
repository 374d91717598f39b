"""A cache that is bounded by bytes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from common.bounded_cache import BoundedCache

MAX_BYTES = 20


def cache_of(max_bytes: int = MAX_BYTES) -> BoundedCache[str, int]:
    """Each value says how many bytes it takes."""
    return BoundedCache(max_bytes, lambda _key, value: value)


def kept(cache: BoundedCache[str, int]) -> dict[str, int]:
    found = {key: cache.find(key) for key in "abcdefgh"}
    return {key: value for key, value in found.items() if value is not None}


def test_what_was_used_longest_ago_goes() -> None:
    cache = cache_of()
    cache.keep("a", 10)
    cache.keep("b", 10)
    assert cache.find("a") == 10
    cache.keep("c", 1)
    assert kept(cache) == {"a": 10, "c": 1}


def test_to_the_last_byte() -> None:
    cache = cache_of()
    for key in "ab":
        cache.keep(key, 10)
    assert kept(cache) == {"a": 10, "b": 10}


def test_what_is_larger_than_the_cache_pushes_nothing_out() -> None:
    cache = cache_of()
    cache.keep("a", 10)
    cache.keep("b", MAX_BYTES + 1)
    assert kept(cache) == {"a": 10}
    cache.keep("a", MAX_BYTES + 1)
    assert kept(cache) == {}
    cache.keep("c", MAX_BYTES)
    assert kept(cache) == {"c": MAX_BYTES}


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 25), st.booleans())))
def test_like_a_list_in_the_order_of_use(steps: list[tuple[str, int, bool]]) -> None:
    cache, entries = cache_of(), list[tuple[str, int]]()
    for key, size, is_read in steps:
        same = [entry for entry in entries if entry[0] == key]
        entries = [entry for entry in entries if entry[0] != key]
        if is_read:
            assert cache.find(key) == (same[0][1] if same else None)
            entries += same
            continue
        cache.keep(key, size)
        entries += [(key, size)] if size <= MAX_BYTES else []
        while sum(size for _, size in entries) > MAX_BYTES:
            entries.pop(0)
        assert [key in cache for key in "abcdefgh"] == [key in dict(entries) for key in "abcdefgh"]
    assert kept(cache) == dict(entries)


def test_threads_do_not_lose_count() -> None:
    cache = cache_of(1_000)

    def work(number: int) -> None:
        for step in range(2_000):
            cache.keep("abcdefgh"[(number + step) % 8], 1 + step % 100)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    cache.keep("last", 1_000)
    assert kept(cache) == {}
    assert cache.find("last") == 1_000
