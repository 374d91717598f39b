"""Precomputed answers: for known people and the plainest request, ranked when a base is published.

Most requests of known people are plain: no filter, no basket and no page. Their answer depends only on what is known at
night and on items that deltas add or remove, which are checked at the request. A person with newer events has a row in
a delta, and no precomputed answer there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from common.config import Purchased
from common.schemas.data import F32
from common.serving.arrays import save_array
from common.serving.bundle import ServedBundle
from common.serving.evidence import ItemReason, Reason
from common.serving.people import PRECOMPUTED_PREFIX, Person, Precomputed
from common.serving.purchased import with_purchased
from common.serving.ranking import Pick, RankingRequest, Rung, rank

DEPTH: Final = 24
"""Items of a precomputed answer: two rows of a carousel, and a reserve for items that are removed during the day."""

# Stored by position, so new reasons are added at the end.
_STORED_REASONS: Final = (Reason.SIMILAR_TO, Reason.BECAUSE_YOU_BOUGHT, Reason.BUY_AGAIN)
_NONE: Final = -1


def precompute(bundle: ServedBundle) -> Precomputed:
    """The first `DEPTH` picks of everybody in the base, with the treatment of repeat purchases that training chose."""
    people = bundle.items.layers[0].people
    n = len(people)
    precomputed = Precomputed(
        items=np.full((n, DEPTH), _NONE, np.int32),
        scores=np.zeros((n, DEPTH), np.float32),
        causes=np.full((n, DEPTH), _NONE, np.int32),
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
                _NONE if pick.cause.item_no is None else pick.cause.item_no for pick in picks
            ]
            precomputed.reasons[row, span] = [_STORED_REASONS.index(pick.cause.reason) for pick in picks]
    return precomputed


def write_precomputed(bundle: ServedBundle, directory: Path) -> dict[str, Path]:
    """Writes the precomputed answers of everybody in the base; returns the new files of its layer by their names within
    it."""
    files: dict[str, Path] = {}
    for name, column in precompute(bundle)._asdict().items():
        files |= save_array(directory, PRECOMPUTED_PREFIX + name, column)
    return files


def precomputed_picks(bundle: ServedBundle, person: Person, n: int, without_bought: bool = False) -> list[Pick] | None:
    """The first `n` picks for a plain request, the same as `rank` gives; None where `rank` must be called.

    Without what the person has bought, the others stand in the same order, whatever training has chosen for purchases:
    only purchases are raised, so whatever stands before one of the others does so without them too.
    """
    if person.precomputed is None:
        return None
    unchanged = bundle.still_valid.unchanged
    left_out = set(person.items[person.purchased].tolist()) if without_bought else ()
    picks: list[Pick] = []
    for item_no, score, cause, reason in person.precomputed.rows():
        if item_no == _NONE:
            return None
        if unchanged[item_no] and item_no not in left_out:
            named = None if cause == _NONE else cause
            picks.append(Pick(item_no, Rung.PERSONAL, ItemReason(_STORED_REASONS[reason], named), score))
            if len(picks) == n:
                return None if _is_beaten(bundle, person, score) else picks
    return None


def precomputed_items(person: Person) -> list[int]:
    """The item numbers of the person's precomputed answer, best first."""
    rows = person.precomputed.rows() if person.precomputed else ()
    return [item_no for item_no, *_ in rows if item_no != _NONE]


def _is_beaten(bundle: ServedBundle, person: Person, worst: float) -> bool:
    """Whether one of the newer items scores at least as high as the last pick, `worst`."""
    newer = bundle.still_valid.newer
    if not len(newer):
        return False
    query: F32 = bundle.encode(person.items, person.weights) if person.vector is None else person.vector
    return bool(newer.dot(query).max() >= worst)
