"""Answers made ahead: what known people who ask nothing in particular are shown, ranked when a base is published.

Most questions of known people are of this kind: no filter, no basket, no page. All that such an answer depends on is
known at night, but for items that a delta brings or takes away, and those are looked at when somebody asks. Whoever has
bought something since stands in a delta, where nobody has an answer made ahead.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from common.config import Purchased
from common.schemas.data import F32
from common.serving.arrays import save_array
from common.serving.bundle import ServedBundle
from common.serving.evidence import Cause, Reason
from common.serving.people import PRECOMPUTED_PREFIX, Person, Precomputed
from common.serving.purchased import with_purchased
from common.serving.ranking import Pick, RankingRequest, Rung, rank

DEPTH: Final = 24
"""Two rows of a carousel, and room for items that are taken away during the day."""

# Stored by position: new ones come at the end.
_REASONS: Final = (Reason.SIMILAR_TO, Reason.BECAUSE_YOU_BOUGHT, Reason.BUY_AGAIN)
_NOBODY: Final = -1


def precompute(bundle: ServedBundle) -> Precomputed:
    """The first `DEPTH` picks of everybody in the base, as training has decided about purchases."""
    people = bundle.items.layers[0].people
    n = len(people)
    precomputed = Precomputed(
        items=np.full((n, DEPTH), _NOBODY, np.int32),
        scores=np.zeros((n, DEPTH), np.float32),
        causes=np.full((n, DEPTH), _NOBODY, np.int32),
        reasons=np.zeros((n, DEPTH), np.int8),
    )
    for row in range(n):
        request = with_purchased(bundle, RankingRequest(DEPTH, person=people.person(row)), Purchased.AUTO)
        picks = [pick for pick in rank(bundle, request) if pick.rung is Rung.PERSONAL]
        if picks:
            span = slice(len(picks))
            precomputed.items[row, span] = [pick.item_no for pick in picks]
            precomputed.scores[row, span] = [pick.score for pick in picks]
            precomputed.causes[row, span] = [
                _NOBODY if pick.cause.item_no is None else pick.cause.item_no for pick in picks
            ]
            precomputed.reasons[row, span] = [_REASONS.index(pick.cause.reason) for pick in picks]
    return precomputed


def write_precomputed(bundle: ServedBundle, directory: Path) -> dict[str, Path]:
    """Ranks everybody in the base; returns the files to be added to its layer, by their names within it."""
    files: dict[str, Path] = {}
    for name, column in precompute(bundle)._asdict().items():
        files |= save_array(directory, PRECOMPUTED_PREFIX + name, column)
    return files


def precomputed_picks(bundle: ServedBundle, person: Person, n: int) -> list[Pick] | None:
    """The first `n` picks of somebody who asks nothing in particular, those of `rank`; None where `rank` has to find
    them."""
    if person.precomputed is None:
        return None
    holds = bundle.standing.holds
    picks: list[Pick] = []
    for item_no, score, cause, reason in person.precomputed.rows():
        if item_no == _NOBODY:
            return None
        if holds[item_no]:
            named = None if cause == _NOBODY else cause
            picks.append(Pick(item_no, Rung.PERSONAL, Cause(_REASONS[reason], named), score))
            if len(picks) == n:
                return None if _is_beaten(bundle, person, score) else picks
    return None


def precomputed_items(person: Person) -> list[int]:
    """The item numbers that were ranked for the person, best first."""
    rows = person.precomputed.rows() if person.precomputed else ()
    return [item_no for item_no, *_ in rows if item_no != _NOBODY]


def _is_beaten(bundle: ServedBundle, person: Person, worst: float) -> bool:
    """Whether what has come since belongs above an item that scores `worst`."""
    newer = bundle.standing.newer
    if not len(newer):
        return False
    query: F32 = bundle.encode(person.items, person.weights) if person.vector is None else person.vector
    return bool(newer.dot(query).max() >= worst)
