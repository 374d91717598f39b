"""What is known of items to compare them, and how much one of them is a substitute of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import blake2b
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from common.models.similar.words import TitleCounts
from common.schemas.data import F32, F64, I8, I64, U64, Catalogue
from common.schemas.documents import SimilarBlend

_NO_BRAND: Final = 0
_PREFIX: Final = "similar_"

_PRICES: Final = (1e-6, 1e12)
"""Prices beyond count as these: an upload may hold any number."""

MAX_HALVINGS: Final = 1e6
"""Farther from each other than any two prices are."""


@dataclass(frozen=True, eq=False)
class Traits:
    """What is known of some items, one a row: 208 bytes an item with vectors of 64. A base stores it for later items.

    directions: (n, width) int8, the directions of the model's vectors, in steps of a 127th of the largest number
    words: (n, WIDTH) int8, as `TitleCounts.vectors`
    brands: (n,) uint64 hashes, 0 for none
    prices: (n,) float32, NaN for none
    """

    directions: I8
    words: I8
    brands: U64
    prices: F32

    @classmethod
    def of(cls, directions: F32, catalogue: Catalogue, counts: TitleCounts) -> Traits:
        """directions: (n, width) float32 of any length, of the rows of the catalogue."""
        prices = np.where(catalogue.prices > 0, np.clip(catalogue.prices, *_PRICES), np.nan)
        return cls(
            directions=_in_steps(directions),
            words=counts.vectors(catalogue.titles),
            brands=_brands(catalogue.brands),
            prices=np.asarray(prices, dtype=np.float32),
        )

    def at(self, numbers: I64) -> Traits:
        return Traits(self.directions[numbers], self.words[numbers], self.brands[numbers], self.prices[numbers])

    @classmethod
    def joined(cls, parts: Sequence[Traits]) -> Traits:
        """The rows of all parts, end to end."""
        names = [column.name for column in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """The arrays by their names among the encoder arrays of a base."""
        return {f"{_PREFIX}{name}": getattr(self, name) for name in ("directions", "words", "brands", "prices")}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Traits | None:
        """From the encoder arrays of a base; None where it is from before there were any."""
        if f"{_PREFIX}words" not in arrays:
            return None
        return cls(*(arrays[f"{_PREFIX}{name}"] for name in ("directions", "words", "brands", "prices")))

    def vectors(self, blend: SimilarBlend) -> F32:
        """(n, width + WIDTH) float32: the inner product of two rows is what vectors and words give the pair."""
        parts = ((self.directions, blend.vectors), (self.words, blend.words))
        return np.concatenate([np.float32(weight**0.5) * unit(rows) for rows, weight in parts], axis=1)


class TraitsOf(Protocol):
    """Where the traits of items are looked up by number."""

    def at(self, numbers: I64) -> Traits: ...


def likeness(of: Traits, others: Traits, blend: SimilarBlend) -> F32:
    """(n, m) float32: what vectors and catalogue say of `others` as substitutes of the rows `of`."""
    scores = of.vectors(blend) @ others.vectors(blend).T
    if blend.brand:
        alike = (of.brands[:, None] == others.brands) & (others.brands != _NO_BRAND)
        scores += np.float32(blend.brand) * alike
    if blend.price:
        # A price twice as high is half as near; an item without a price is near to none.
        apart = np.abs(_halvings(of.prices, -MAX_HALVINGS)[:, None] - _halvings(others.prices, MAX_HALVINGS))
        scores += np.float32(blend.price) * np.maximum(1 - apart, 0)
    return np.asarray(scores, dtype=np.float32)


def popularity_within(scores: F64, numbers: I64) -> F32:
    """(m,) float32 from 0 to 1: the logarithms of the items' scores, of the most popular of them 1."""
    counts = np.log1p(np.maximum(scores[numbers], 0))
    return np.asarray(counts / max(counts.max(initial=0), 1e-9), dtype=np.float32)


def unit(rows: npt.NDArray[Any]) -> F32:
    """(n, width) float32: the rows with length 1; a row of zeros stays."""
    values = rows.astype(np.float32)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    of_unit_length: F32 = np.divide(values, lengths, out=np.zeros_like(values), where=lengths > 0)
    return of_unit_length


def _in_steps(directions: F32) -> I8:
    largest = np.abs(directions).max(axis=1, initial=0)[:, None]
    return np.rint(127 * directions / np.where(largest > 0, largest, 1)).astype(np.int8)


def _halvings(prices: F32, without: float) -> F32:
    """(n,) float32: half of the prices' binary logarithms, `without` where there is no price."""
    return np.where(np.isnan(prices), without, np.log2(np.where(np.isnan(prices), 1, prices)) / 2).astype(np.float32)


def _brands(names: Sequence[str]) -> U64:
    keys = {name: _key(name) for name in set(names)}
    return np.array([keys[name] for name in names], dtype=np.uint64)


def _key(name: str) -> int:
    if not name.strip():
        return _NO_BRAND
    folded = name.strip().casefold().encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(folded, digest_size=8).digest(), "big") or 1
