"""The interface of a baseline, and its judgement."""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from scipy.sparse import csr_matrix

from common.errors import RefusedError
from common.evaluation.cases import Cases
from common.evaluation.judge import Judgement, judge_scores
from common.evaluation.queries import rows_of
from common.evaluation.ranking import BLOCK_BYTES
from common.evaluation.split import Fold
from common.models.matrix import weight_matrix
from common.schemas.data import F32, I64, Weighting


class Baseline(ABC):
    """A baseline. The constructor learns from the fold and raises `RefusedError` where the fold is too large.

    A `costly` baseline takes minutes on a large shop, and runs only where there is time for it.
    """

    name: ClassVar[str]
    costly: ClassVar[bool] = False

    @classmethod
    def least_s(cls, fold: Fold) -> float:  # noqa: ARG003 (for those that need it)
        """A lower bound of the seconds that learning takes, for baselines that cannot be interrupted.

        Raises `RefusedError` as the constructor does.
        """
        return 0.0

    @abstractmethod
    def __init__(self, fold: Fold) -> None: ...

    @abstractmethod
    def scores(self, people: I64) -> F32:
        """(n, n_items) float32 for rows of the fold's user_keys, -inf for items that must not be shown. The caller may
        overwrite it."""


def judge_baseline(baseline: Baseline, cases: Cases, deadline: float = math.inf) -> Judgement:
    """The figures of a baseline on the cases.

    Raises `RefusedError` if it is not finished at `deadline`, on the clock of `time.monotonic`.
    """
    people = rows_of(cases.fold.past.user_keys, cases.user_keys)
    return judge_scores(_blocks(baseline, people, cases.fold.past.n_items, deadline), cases)


def _blocks(baseline: Baseline, people: I64, n_items: int, deadline: float) -> Iterator[tuple[slice, F32]]:
    step = max(1, BLOCK_BYTES // (4 * n_items))
    for start in range(0, len(people), step):
        if time.monotonic() > deadline:
            raise RefusedError(f"{baseline.name} had judged {start} of {len(people)} people when its time was spent")
        rows = slice(start, min(start + step, len(people)))
        yield rows, baseline.scores(people[rows])


def cells_of(fold: Fold) -> Any:
    """csr_matrix (n_users, n_items) float32: how often each person bought each item; views and carts count less."""
    return weight_matrix(fold.past, Weighting(), fold.cut_s)


def taken_of(fold: Fold) -> Any:
    """csr_matrix (n_users, n_items) float32: 1 where the person has the item."""
    cells = cells_of(fold)
    return csr_matrix((np.ones_like(cells.data), cells.indices, cells.indptr), shape=cells.shape)
