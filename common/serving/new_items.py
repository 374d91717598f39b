"""New items are met: a small share of a list's places is kept for items that few people have bought yet.

An item that is never shown is never bought, and so never learned. Its places are fixed, the last of each so many, so
that a page stays the same from one request to the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from common.schemas.data import F32, I32
from common.serving.bundle import ServedBundle
from common.serving.evidence import ItemReason, Reason
from common.serving.ranking import Pick, RankingRequest, Rung
from common.serving.variety import Quota

NEW_ITEM = ItemReason(Reason.NEW)


def with_new_items(
    bundle: ServedBundle, request: RankingRequest, picks: Sequence[Pick], hide: I32, query: F32 | None, one_in: int
) -> list[Pick]:
    """The picks with a fitting new item, which is not among them, at the last of each `one_in` places; at most
    `request.n` of all.

    hide: (m,) int32 item numbers that must not come
    query: the (dim,) float32 query vector of the visitor; None where nothing is known of them
    """
    result = list(picks)
    if not one_in or request.n < one_in or not len(bundle.few_know.item_nos):
        return result
    shown = {pick.item_no for pick in picks}
    quota = Quota(request.variety.max_per_category)
    for item_no in shown:
        quota.add(bundle.items.category(item_no))
    fitting = (pick for pick in _fitting(bundle, request, hide, query) if pick.item_no not in shown)
    for place in range(one_in - 1, request.n, one_in):
        if len(result) < place:
            break  # everything that may be shown is in the list
        chosen = next((pick for pick in fitting if quota.has_room(bundle.items.category(pick.item_no))), None)
        if chosen is not None:
            quota.add(bundle.items.category(chosen.item_no))
            result.insert(place, chosen)
    return result[: request.n]


def _fitting(bundle: ServedBundle, request: RankingRequest, hide: I32, query: F32 | None) -> Iterator[Pick]:
    """The new items that may be shown: those that fit the visitor by their score, then the newest."""
    known = bundle.few_know
    allowed = np.flatnonzero(
        bundle.selections.of(request.wanted).allows(known.item_nos) & ~np.isin(known.item_nos, hide)
    )
    scores = np.zeros(len(allowed), np.float32) if query is None else known.vectors[allowed] @ query
    order = np.argsort(-np.maximum(scores, 0), kind="stable")
    for place in order.tolist():
        yield Pick(int(known.item_nos[allowed[place]]), Rung.NEWEST, NEW_ITEM)
