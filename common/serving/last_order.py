"""A fresh order shows at once: while it is fresh, a share of a person's list follows from that order alone.

Somebody with a long history stands on the map where all of it has put them, and one more basket hardly moves them. So
until the day after an order, fixed places of the list are for what the model makes of the order as if nothing else were
known. What such places cost at a grocer and a gift shop is in docs/models.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from common.schemas.data import I8, I32
from common.schemas.links import RECENT
from common.serving.bundle import ServedBundle
from common.serving.evidence import Evidence, ItemReason, Reason
from common.serving.linked import Linked, merged_lists
from common.serving.people import Person
from common.serving.ranking import Pick, RankingRequest, Rung
from common.serving.search import search
from common.serving.variety import POOL, Quota

FRESH_DAYS: Final = 1
"""An order is fresh on its day and on as many days after it. Places for the last order of whatever age would cost a
grocer four times as much (docs/models.md)."""

_NO_ITEMS: Final = np.empty(0, np.int32)
_BOUGHT: Final = 1
"""The value of `Evidence.kinds` for a purchase."""


def fresh_order(person: Person, today: int | None) -> I32:
    """(m,) int32: the items of the person's last order, where it is fresh on the day `today`; else none.

    Layers from before days were stored, and orders that were returned, have none.
    """
    if today is None or person.due is None:
        return _NO_ITEMS
    latest = person.latest & person.purchased
    if not latest.any() or today - int(person.due.columns().last_days[latest].max()) > FRESH_DAYS:
        return _NO_ITEMS
    return person.items[latest][-RECENT:]


def with_last_order(
    bundle: ServedBundle, request: RankingRequest, picks: Sequence[Pick], hide: I32, one_in: int
) -> list[Pick]:
    """The picks with what a fresh order leads to at the last but one of each `one_in` places; at most `request.n` of
    all. Without such an order the picks as they are.

    hide: (m,) int32 item numbers that must not come
    """
    result = list(picks)
    person = request.person
    if person is None or not one_in or request.n < one_in:
        return result
    order = fresh_order(person, request.today)
    if not len(order):
        return result
    places = range(one_in - 2, request.n, one_in)
    shown = np.array([pick.item_no for pick in picks], np.int32)
    excluded = np.concatenate([hide, person.items[person.purchased], shown])
    quota = Quota(request.variety.max_per_category)
    for item_no in shown.tolist():
        quota.add(bundle.items.category(item_no))
    following = _following(bundle, request, order, excluded, len(places))
    for place in places:
        chosen = next((pick for pick in following if quota.has_room(bundle.items.category(pick.item_no))), None)
        if chosen is None or place > len(result):
            break
        quota.add(bundle.items.category(chosen.item_no))
        result.insert(place, chosen)
    return result[: request.n]


def _following(bundle: ServedBundle, request: RankingRequest, order: I32, excluded: I32, n: int) -> Iterator[Pick]:
    """What the order leads to, best first: by the model, or by what is bought together where it knows no people."""
    if not bundle.personal:
        return _together(bundle, request, order, excluded)
    weights = np.ones(len(order), np.float32)
    query = bundle.encode(order, weights)
    if not query.any():
        return iter(())
    n = n if request.variety.max_per_category is None else max(n, POOL)
    hits = search(bundle.items, query, n, bundle.selections.of(request.wanted), excluded)
    kinds: I8 = np.full(len(order), _BOUGHT, np.int8)
    causes = Evidence(order, weights, kinds).causes(bundle, hits.item_nos)
    return map(Pick, hits.item_nos.tolist(), [Rung.PERSONAL] * len(causes), causes)


def _together(bundle: ServedBundle, request: RankingRequest, order: I32, excluded: I32) -> Iterator[Pick]:
    listed: Linked = merged_lists([bundle.bought_together(item_no) for item_no in order.tolist()])
    allowed = bundle.selections.of(request.wanted).allows(listed.item_nos) & ~np.isin(listed.item_nos, excluded)
    best_first = np.flatnonzero(allowed)[np.argsort(-listed.scores[allowed], kind="stable")]
    for place in best_first.tolist():
        cause = ItemReason(Reason.BECAUSE_YOU_BOUGHT, int(order[listed.causes[place]]))
        yield Pick(int(listed.item_nos[place]), Rung.BOUGHT_TOGETHER, cause)
