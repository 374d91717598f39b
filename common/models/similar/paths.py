"""Categories as paths: the leaf of an item, and the wider categories above it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from common.schemas.data import I32, I64

MAX_LEVELS: Final = 8
"""Levels of a path that count, from the widest; shop systems have four to six."""

# A slash without spaces belongs to a name, such as "Beers/ales".
_BETWEEN_LEVELS: Final = re.compile(r"[>»›|\\]|\s/\s")


def path_of(category: str) -> tuple[str, ...]:
    """The levels of a category, the widest first; empty where it names nothing."""
    levels = tuple(part.strip() for part in _BETWEEN_LEVELS.split(category) if part.strip())
    return levels[: MAX_LEVELS - 1] + levels[MAX_LEVELS - 1 :][-1:]


@dataclass(frozen=True, eq=False)
class CategoryTree:
    """The groups of items, by item number.

    levels: (n_items, depth) int32, the group of each item at each level, the widest first, -1 behind its leaf
    leaves: (n_items,) int32, the group of the whole path, -1 for an item without a category
    """

    levels: I32
    leaves: I32

    @classmethod
    def of(cls, codes: I32 | I64, names: Sequence[str]) -> CategoryTree:
        """codes: (n_items,) positions in the `names` of categories."""
        paths = [path_of(name) for name in names]
        groups: dict[tuple[str, ...], int] = {}
        depth = max((len(path) for path in paths), default=0)
        levels = np.full((len(names), depth), -1, dtype=np.int32)
        leaves = np.full(len(names), -1, dtype=np.int32)
        for row, path in enumerate(paths):
            for level in range(len(path)):
                levels[row, level] = leaves[row] = groups.setdefault(path[: level + 1], len(groups))
        return cls(levels[codes], leaves[codes])

    @property
    def n_groups(self) -> int:
        return int(self.levels.max(initial=-1)) + 1

    def shared(self, rows: I64, others: I64) -> I32:
        """(rows, others) int32: how many levels the paths of two items share, and one more for one leaf."""
        count: I32 = (self.leaves[rows][:, None] == self.leaves[others]).astype(np.int32)
        for level in self.levels.T:
            count += (level[rows][:, None] == level[others]) & (level[rows] >= 0)[:, None]
        return count


def leaf_groups(categories: Sequence[str]) -> I64:
    """(n,) int64: equal for items of one leaf category, -1 for an item without one."""
    names = tuple(dict.fromkeys(categories))
    codes = {name: code for code, name in enumerate(names)}
    return CategoryTree.of(np.array([codes[name] for name in categories], dtype=np.int64), names).leaves.astype(
        np.int64
    )
