"""Titles as vectors: the words of a title and pieces of its words, in any language, without a dictionary.

By pieces of a few characters `Laufschuhe` is like `Schuh`. Each word and piece is hashed to a place of the vector and a
sign (Weinberger et al. 2009), and weighs more the fewer titles it is in. Where a script has no spaces between words,
the pieces are all there is, and two characters long.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from typing import Final

import numpy as np

from common.schemas.data import I8, I32, I64, U64

WIDTH: Final = 128
"""Width of the vectors: two titles without a common word have a cosine of 0 ± .09."""

MAX_TITLE: Final = 256
"""Characters of a title that are read."""

BUCKETS: Final = 1 << 15
"""Counters of titles by piece: 128 KB with each base. Pieces that share one count as equally frequent."""

_PIECE: Final = 3
_SHORT_PIECE: Final = 2
_FIRST_WITHOUT_SPACES: Final = "\u2e80"
"""Chinese, Japanese and Korean characters begin here."""

_AT_ONCE: Final = 8192

_REMEMBERED: Final = 1 << 14
"""Titles, and words, whose pieces are remembered: about 40 MB."""


@dataclass(frozen=True, eq=False)
class TitleCounts:
    """How many of `n` titles have a piece. in_titles: (BUCKETS,) int32."""

    in_titles: I32
    n: int

    @classmethod
    def of(cls, titles: Sequence[str]) -> TitleCounts:
        in_titles = np.zeros(BUCKETS, dtype=np.int32)
        for start in range(0, len(titles), _AT_ONCE):
            rows, pieces = _pieces_of(titles[start : start + _AT_ONCE])
            cells = np.unique(rows * BUCKETS + (pieces % BUCKETS).astype(np.int64)) % BUCKETS
            in_titles += np.bincount(cells, minlength=BUCKETS).astype(np.int32)
        return cls(in_titles, sum(1 for title in titles if title))

    def vectors(self, titles: Sequence[str]) -> I8:
        """(n, WIDTH) int8: the vectors of titles, zero for one without a word. Their lengths say nothing.

        (n, 0) where the titles that were counted have none, so that shops without titles store nothing.
        """
        if self.n == 0:
            return np.zeros((len(titles), 0), dtype=np.int8)
        vectors = np.zeros((len(titles), WIDTH), dtype=np.int8)
        rarity = np.log1p(self.n / np.maximum(self.in_titles, 1))
        for start in range(0, len(titles), _AT_ONCE):
            rows, pieces = _pieces_of(titles[start : start + _AT_ONCE])
            places = rows * WIDTH + ((pieces >> np.uint64(24)) % WIDTH).astype(np.int64)
            signs = np.where(pieces >> np.uint64(63), 1.0, -1.0)
            n = min(_AT_ONCE, len(titles) - start)
            sums = np.bincount(places, signs * rarity[pieces % BUCKETS], minlength=n * WIDTH).reshape(n, WIDTH)
            largest = np.abs(sums).max(axis=1, initial=0)[:, None]
            vectors[start : start + n] = np.rint(127 * sums / np.where(largest > 0, largest, 1))
        return vectors


def _pieces_of(titles: Sequence[str]) -> tuple[I64, U64]:
    """(m,) rows and (m,) uint64 hashes: each word and piece of each title once."""
    own = [_hashes_of(title) for title in titles]
    rows = np.repeat(np.arange(len(own), dtype=np.int64), [len(hashes) for hashes in own])
    return rows, np.fromiter(chain.from_iterable(own), dtype=np.uint64, count=len(rows))


@lru_cache(_REMEMBERED)
def _hashes_of(title: str) -> frozenset[int]:
    text = unicodedata.normalize("NFKC", title[:MAX_TITLE]).casefold()[:MAX_TITLE].translate(_SEPARATORS)
    return frozenset().union(*map(_word_hashes, text.split()))


@lru_cache(_REMEMBERED)
def _word_hashes(word: str) -> frozenset[int]:
    size = _SHORT_PIECE if max(word) >= _FIRST_WITHOUT_SPACES else _PIECE
    marked = f"\x02{word}\x03"
    return frozenset(map(_hash, {word, *(marked[at : at + size] for at in range(len(marked) - size + 1))}))


def _hash(piece: str) -> int:
    # A lone surrogate may come from an upload; it has no UTF-8.
    return int.from_bytes(blake2b(piece.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


class _Separators(dict[int, str]):
    """A space for every character that is not a letter, a mark or a digit; what belongs to a word stays as it is."""

    def __missing__(self, code: int) -> str:
        self[code] = chr(code) if unicodedata.category(chr(code))[0] in "LMN" else " "
        return self[code]


_SEPARATORS: Final = _Separators()
