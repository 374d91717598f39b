"""The ranking of an answer: rungs from the most personal list to the most general one, until the answer is full.

The order is personal → session → bought together (if requested) → related → popular in category → popular → newest.
Each item says which rung it comes from, and why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from functools import cached_property, partial
from itertools import islice, repeat
from typing import Final, NamedTuple

import numpy as np

from common.schemas.data import F32, I32, EventType
from common.schemas.links import Place
from common.serving.bundle import ServedBundle
from common.serving.evidence import Evidence, ItemReason, Reason, SessionItem
from common.serving.filters import AVAILABLE, Filter
from common.serving.linked import Linked
from common.serving.people import Person
from common.serving.promotions import Promotion, promote, promoted
from common.serving.search import Hits, Raised, best_of, nearest, search, search_raised
from common.serving.selection import Selection
from common.serving.stages import Stage, StageTimer
from common.serving.variety import ANY, DEEPEST, Quota, Variety, depth_of, diversify

_PIECE: Final = 256
NO_ITEMS: Final = np.empty(0, np.int32)


class Rung(StrEnum):
    """The list that an item of an answer comes from."""

    __hash__ = str.__hash__  # an Enum's own is a Python function, and rungs are keys several times in each answer

    PERSONAL = "personal"
    SESSION = "session"
    BOUGHT_TOGETHER = "bought_together"
    RELATED = "related"
    POPULAR_IN_CATEGORY = "popular_in_category"
    POPULAR = "popular"
    NEWEST = "newest"
    BUY_AGAIN = "buy_again"
    RECENTLY_VIEWED = "recently_viewed"
    ON_SALE = "on_sale"


class Pick(NamedTuple):
    """One item of an answer. `score` is the score in its rung, None in lists without scores."""

    item_no: int
    rung: Rung
    cause: ItemReason
    score: float | None = None


class RankingRequest(NamedTuple):
    """A ranking request: `n` items that match the filter `wanted`, for a person, a session, a page, or for everybody.

    session: items of the visit, oldest first
    page: number of the item whose page is open
    hide: (m,) int32 item numbers that must not be shown, in addition to those of the session and the page
    boost: items that the person has bought score higher by boost · ln(1 + purchases)
    bought_together: items from the same orders as the page's item come first
    variety: the bound on categories is for the whole answer; diversity and promotions are for the model's rungs
    today: the day of the question since 1970, for what is due; None where it is not known
    """

    n: int
    wanted: Filter = AVAILABLE
    person: Person | None = None
    session: tuple[SessionItem, ...] = ()
    page: int | None = None
    hide: I32 = NO_ITEMS
    boost: float = 0.0
    bought_together: bool = False
    variety: Variety = ANY
    promotions: tuple[Promotion, ...] = ()
    today: int | None = None


def rank(bundle: ServedBundle, request: RankingRequest, timer: StageTimer | None = None) -> list[Pick]:
    """The picks, best first: `n` of them, or all items that are allowed.

    `timer` records the time of each stage. Raises `CorruptError` where a layer's catalogue cannot be read.
    """
    timer = timer or StageTimer()
    ladder = Ladder(bundle, request, timer)
    general = (ladder.related, ladder.popular_in_category, ladder.popular, ladder.newest)
    for rung in (ladder.linked, ladder.own, ladder.bought_together, *general):
        rung()
        if ladder.missing == 0:
            break
    timer.end(Stage.RANK)
    return ladder.picks


def _place(request: RankingRequest) -> Place:
    """A basket is a visit of items in the basket only, on no item's page."""
    in_basket = all(item.kind is EventType.CART for item in request.session)
    return Place.BASKET if in_basket and request.page is None else Place.VISIT


class Ladder:
    """Fills `picks` rung by rung. `taken` (m,) int32 are items that must not come, or not again."""

    def __init__(self, bundle: ServedBundle, request: RankingRequest, timer: StageTimer) -> None:
        self.bundle = bundle
        self.request = request
        self.timer = timer
        self.selection = bundle.selections.of(request.wanted)
        timer.end(Stage.FILTER)
        self.picks: list[Pick] = []
        self.taken = request.hide
        self.quota = Quota(request.variety.max_per_category)
        seen = [item.item_no for item in request.session] + ([] if request.page is None else [request.page])
        if seen:
            self.taken = np.append(request.hide, np.array(seen, np.int32))

    @property
    def missing(self) -> int:
        return self.request.n - len(self.picks)

    def linked(self) -> None:
        """The session rung where links answer it in front of the model: for a visit or a basket of nobody known."""
        request = self.request
        if request.person is not None or not request.session:
            return
        links = self.bundle.linked(_place(request))
        if links is None:
            return
        evidence = self.evidence
        linked = links.of(evidence.items)
        self.timer.end(Stage.ENCODE)
        self.take_linked(linked, Rung.SESSION, evidence.cause)

    def take_linked(self, linked: Linked, rung: Rung, cause_at: Callable[[int], ItemReason]) -> None:
        """Takes the best of some scored items; `cause_at` makes the reason from the place that is the cause."""
        hits = self._varied(partial(self._search, partial(self._among, linked)))
        self.timer.end(Stage.SEARCH)
        places = linked.causes[np.searchsorted(linked.item_nos, hits.item_nos)].tolist()
        causes = map(cause_at, places)
        self.picks += map(Pick, hits.item_nos.tolist(), repeat(rung), causes, hits.scores.tolist())
        self.taken = np.append(self.taken, hits.item_nos)

    def _among(self, linked: Linked, selection: Selection, n: int) -> Hits:
        """The best `n` of the linked items that a selection allows."""
        allowed = selection.allows(linked.item_nos) & ~np.isin(linked.item_nos, self.taken)
        return best_of(linked.item_nos[allowed], linked.scores[allowed], n)

    def own(self) -> None:
        """The personal or session rung: the model's ranking for a person, a session, or both together."""
        if not self.bundle.personal:
            self.own_first()
            return
        if self.request.person is None and not self.request.session:
            return
        query = self.query
        self.timer.end(Stage.ENCODE)
        if query is None:
            return
        hits = self._varied(partial(self._search, partial(self._nearest_to, query)))
        self.timer.end(Stage.SEARCH)
        scores: list[float | None] = hits.scores.tolist()
        if not any(scores):
            return  # the query is zero, for a person who has only returns
        if self.picks:
            scores = [None] * len(scores)  # behind the links, whose scores are of another kind
        rung = Rung.SESSION if self.request.person is None else Rung.PERSONAL
        causes = self._causes(self.evidence, hits.item_nos)
        self.picks += map(Pick, hits.item_nos.tolist(), repeat(rung), causes, scores)
        if self.missing:
            self.taken = np.append(self.taken, hits.item_nos)

    def own_first(self) -> None:
        """What the person has bought, the most frequent first, where the model ranks the same for everybody and
        purchases are put forward. Of items bought equally often, the more popular one comes first."""
        person, boost = self.request.person, self.request.boost
        if person is None or not boost:
            return
        items = person.items[person.purchased]
        gains = np.float32(boost) * np.log1p(person.repeats[person.purchased])
        order = np.argsort(items)
        scores = (self.bundle.items.vectors(items)[:, 0] + gains)[order]
        own = Linked(items[order], scores, np.zeros(len(items), np.int32))
        self.take_linked(own, Rung.PERSONAL, lambda _: ItemReason(Reason.BUY_AGAIN))

    def _varied(self, find: Callable[[int], Hits]) -> Hits:
        """The missing hits from `find`, which takes their number. With variety, they are chosen from more hits than
        that."""
        variety = self.request.variety
        if variety == ANY:
            return find(self.missing)
        depth = depth_of(self.missing, variety)
        while True:
            hits, quota = find(depth), self.quota.copy()
            categories = [self.bundle.items.category(item_no) for item_no in hits.item_nos.tolist()]
            vectors = self.bundle.items.vectors(hits.item_nos)
            chosen = diversify(hits, vectors, categories, self.missing, variety.diversity, quota)
            if len(chosen) == self.missing or len(hits.item_nos) < depth or depth >= DEEPEST:
                self.quota = quota
                return Hits(hits.item_nos[chosen], hits.scores[chosen])
            depth = min(4 * depth, DEEPEST)

    def _search(self, find: Callable[[Selection, int], Hits], n: int) -> Hits:
        """The best `n` as `find` gives them within a selection, with the promotions of the request."""
        hits = find(self.selection, n)
        if not self.request.promotions:
            return hits
        those = promoted(self.request.wanted, self.request.promotions)
        selections = ((self.bundle.selections.of(wanted), weight) for wanted, weight in those)
        raised = [(find(selection, n), weight) for selection, weight in selections]
        return promote(hits, raised, self.request.n, n)

    def _nearest_to(self, query: F32, selection: Selection, n: int) -> Hits:
        """The best hits in a selection, with the boost of repeat purchases. A zero query gets no boost."""
        person, boost = self.request.person, self.request.boost
        if person is None or not boost or not query.any():
            return search(self.bundle.items, query, n, selection, self.taken)
        gains = np.float32(boost) * np.log1p(person.repeats[person.purchased])
        bought = Raised(person.items[person.purchased], gains)
        return search_raised(self.bundle.items, query, n, selection, self.taken, bought)

    def _causes(self, evidence: Evidence, item_nos: I32) -> list[ItemReason]:
        causes = evidence.causes(self.bundle, item_nos)
        person = self.request.person
        if person is None:
            return causes
        bought = set(person.items[person.purchased].tolist())
        numbers = item_nos.tolist()
        if bought.isdisjoint(numbers):
            return causes
        again = ItemReason(Reason.BUY_AGAIN)
        return [again if item_no in bought else cause for item_no, cause in zip(numbers, causes, strict=True)]

    @cached_property
    def query(self) -> F32 | None:
        """The visitor's query vector; None where nothing is known of them. It takes as long as a search."""
        if not self.bundle.personal or (self.request.person is None and not self.request.session):
            return None
        return self.evidence.query(self.bundle)

    @cached_property
    def evidence(self) -> Evidence:
        """The evidence of the person and the session; the open page counts as a view."""
        person, session = self.request.person, self.request.session
        if self.request.page is not None:
            session = (*session, SessionItem(self.request.page, EventType.VIEW))
        if person is None:
            return Evidence.of_session(self.bundle, session)
        known = Evidence.of_person(person)
        return known.then(Evidence.of_session(self.bundle, session)) if session else known

    def bought_together(self) -> None:
        """The list of items bought together with the page's item."""
        page = self.request.page
        if self.request.bought_together and page is not None:
            listed = self.bundle.bought_together(page)
            self.take(listed, Rung.BOUGHT_TOGETHER, ItemReason(Reason.BOUGHT_TOGETHER, page))

    def related(self) -> None:
        """Items similar to the page's item or, without a page, to the newest items of the session.

        An item's stored list keeps its order, because it was made from more than vectors: an item with few buyers is
        compared by its group. After the list come other allowed items, sorted by cosine.
        """
        if not self.bundle.personal:
            return
        for cause in self.seeds():
            if cause.item_no is None or self.missing == 0:
                return
            self.take(self.bundle.items.similar(cause.item_no), Rung.RELATED, cause)
            if self.missing == 0:
                return
            hits = self._varied(partial(self._nearest, cause.item_no))
            self.picks += map(Pick, hits.item_nos.tolist(), repeat(Rung.RELATED), repeat(cause), hits.scores.tolist())
            self.taken = np.append(self.taken, hits.item_nos)

    def _nearest(self, item_no: int, n: int) -> Hits:
        return nearest(self.bundle.items, item_no, n, self.selection, self.taken)

    def seeds(self) -> list[ItemReason]:
        """The items that others are to be like, with the reason that an item like it has."""
        if self.request.page is not None:
            return [ItemReason(Reason.SIMILAR_TO, self.request.page)]
        carts = [item.kind is EventType.CART for item in self.request.session]
        reasons = [Reason.IN_YOUR_BASKET if cart else Reason.SIMILAR_TO for cart in carts]
        seeds = zip(reasons, self.request.session, strict=True)
        return [ItemReason(reason, item.item_no) for reason, item in seeds][::-1]

    def popular_in_category(self) -> None:
        """The popular items of the one category that the filter names, or of the categories of the page and the
        session, newest first."""
        for category in self._categories():
            if self.missing:
                listed = self.bundle.popular_in(category)
                self.take(listed, Rung.POPULAR_IN_CATEGORY, ItemReason(Reason.POPULAR_IN_CATEGORY))

    def _categories(self) -> list[str]:
        filtered = self.request.wanted.categories
        if filtered:
            return list(filtered) if len(filtered) == 1 else []
        seen = [seed.item_no for seed in self.seeds() if seed.item_no is not None]
        categories = dict.fromkeys(self.bundle.items.category(item_no) for item_no in seen)
        return [category for category in categories if category]

    def popular(self) -> None:
        self.take(self.bundle.popular, Rung.POPULAR, ItemReason(Reason.POPULAR))

    def newest(self) -> None:
        """The list of new items, and behind it every other allowed item, the latest first."""
        self.take(self.bundle.newest, Rung.NEWEST, ItemReason(Reason.NEW))
        if self.missing:
            rest = self.selection.all_items()
            latest_first = np.argsort(-self.bundle.items.born_at(rest), kind="stable")
            self.take(rest[latest_first], Rung.NEWEST, ItemReason(Reason.NEW))

    def take(self, listed: I32, rung: Rung, cause: ItemReason) -> None:
        """Takes the first allowed items of a list."""
        taken = set(self.taken.tolist())
        allowed = (item_no for item_no in self._allowed(listed) if item_no not in taken)
        chosen = list(islice(self._within_quota(allowed), self.missing))
        self.picks += [Pick(item_no, rung, cause) for item_no in chosen]
        self.taken = np.append(self.taken, np.array(chosen, np.int32))

    def _within_quota(self, item_nos: Iterable[int]) -> Iterator[int]:
        """Yields items with room in their category, and counts them."""
        if self.request.variety.max_per_category is None:
            yield from item_nos
            return
        for item_no in item_nos:
            category = self.bundle.items.category(item_no)
            if self.quota.has_room(category):
                self.quota.add(category)
                yield item_no

    def _allowed(self, listed: I32) -> Iterator[int]:
        """Yields the allowed items, checked in pieces, because lists are long and answers short."""
        for start in range(0, len(listed), _PIECE):
            piece = listed[start : start + _PIECE]
            yield from piece[self.selection.allows(piece)].tolist()
