"""The ranking of the kinds that a page asks for: each is filled from the lists that it declares, and from no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from common.config import Purchased
from common.schemas.data import F32, I32, EventType
from common.schemas.kind import Kind
from common.schemas.links import RECENT, Place
from common.schemas.mixing import MODEL_SHARE, mixed
from common.serving.bundle import ServedBundle
from common.serving.due import due_scores
from common.serving.evidence import Evidence, ItemReason, Reason, SessionItem
from common.serving.kinds import DECLARATIONS, NewItems
from common.serving.last_order import with_last_order
from common.serving.linked import Linked, merged_lists
from common.serving.new_items import with_new_items
from common.serving.people import Person
from common.serving.precomputed import precomputed_picks
from common.serving.purchased import decide
from common.serving.ranking import Ladder, Pick, RankingRequest, Rung
from common.serving.stages import Stage, StageTimer

LAST_BOUGHT: Final = 4
"""Items that count as the last order where a layer does not say which they were."""

RANKED_ON_SALE: Final = 8_192
"""Items on sale that are ranked for a person, the most popular ones: scoring these takes as long as a search."""

_NO_ITEMS: Final = np.empty(0, np.int32)


class Subject(NamedTuple):
    """What a list is about, taken from the question.

    request: what the ladder sees of the question
    causes: the items that others go with or are like, each with the reason that those have
    viewed: (m,) int32, the items to show again, newest first
    company: the items whose company is asked for, with the reason of what links lead to from each; newest first
    is_there: whether what the kind needs is there
    """

    request: RankingRequest
    causes: tuple[ItemReason, ...] = ()
    viewed: I32 = _NO_ITEMS
    company: tuple[ItemReason, ...] = ()
    is_there: bool = True


def rank_kind(
    bundle: ServedBundle,
    kind: Kind,
    request: RankingRequest,
    one_new_in: int = 0,
    timer: StageTimer | None = None,
    *,
    one_fresh_in: int = 0,
) -> list[Pick]:
    """The picks of a kind, best first: at most `n`, fewer where no more belong under its heading.

    `one_new_in`: of how many places one is for a new item, `one_fresh_in`: for what a fresh order leads to, 0 for none.
    Raises as `rank` does.
    """
    timer = timer or StageTimer()
    subject = _subject(kind, request)
    ladder = KindLadder(bundle, subject, timer)
    declared = DECLARATIONS[kind]
    first = bundle.first_lists.get(kind)
    for listing in declared.filled_from(first) if subject.is_there else declared.otherwise:
        if ladder.missing:
            getattr(ladder, listing)()
    picks = ladder.picks
    if kind is Kind.BECAUSE_YOU_VIEWED:
        picks = [pick._replace(cause=ItemReason(Reason.BECAUSE_YOU_VIEWED, pick.cause.item_no)) for pick in picks]
    if declared.fresh_order:
        picks = with_last_order(bundle, subject.request, picks, ladder.hidden, one_fresh_in)
    if has_new_items(kind, request):
        picks = with_new_items(bundle, subject.request, picks, ladder.hidden, ladder.query, one_new_in)
    timer.end(Stage.RANK)
    return picks


def rank_ahead(
    bundle: ServedBundle, request: RankingRequest, treatment: Purchased, one_new_in: int, one_fresh_in: int = 0
) -> list[Pick] | None:
    """The picks for a known person who asks for nothing in particular, from the precomputed answer: the same as
    `rank_kind` gives. None where that must be called.

    `treatment`: what becomes of purchases, decided; `request` has it already.
    """
    person = request.person
    if person is None or (treatment is not Purchased.HIDE and treatment is not decide(bundle, Purchased.AUTO)):
        return None
    picks = precomputed_picks(bundle, person, request.n, without_bought=treatment is Purchased.HIDE)
    if picks is None:
        return None
    picks = with_last_order(bundle, request, picks, request.hide, one_fresh_in)
    if not one_new_in or request.n < one_new_in:
        return picks
    return with_new_items(bundle, request, picks, request.hide, Evidence.of_person(person).query(bundle), one_new_in)


def has_new_items(kind: Kind, request: RankingRequest) -> bool:
    """Whether new items have places of their own in this list."""
    declared = DECLARATIONS[kind].new_items
    return declared is NewItems.ALWAYS or (declared is NewItems.IN_CATEGORY and bool(request.wanted.categories))


class KindLadder(Ladder):
    """The ladder with the lists that only kinds have."""

    def __init__(self, bundle: ServedBundle, subject: Subject, timer: StageTimer) -> None:
        super().__init__(bundle, subject.request, timer)
        self.hidden = self.taken
        self._subject = subject

    def seeds(self) -> list[ItemReason]:
        return list(self._subject.causes) or super().seeds()

    def linked(self) -> None:
        """The links of a visit or a basket; where the company of items is asked for, those of a basket of them."""
        company = self._subject.company[::-1]
        if not company:
            super().linked()
            return
        links = self.bundle.linked(Place.BASKET)
        if links is not None:
            items = np.array([cause.item_no for cause in company], np.int32)
            self.take_linked(links.of(items), Rung.BOUGHT_TOGETHER, lambda place: company[place])

    def complements(self) -> None:
        """The lists of what is bought together with the causes, as one."""
        self._take_merged([self.bundle.bought_together(no) for no in self._cause_nos()], Rung.BOUGHT_TOGETHER)

    def mixed(self) -> None:
        """The links and the lists of what is bought together as one, in which the model has a say."""
        given = self._subject.company[::-1] or self._subject.causes
        items = np.array([cause.item_no for cause in given], np.int32)
        links = self.bundle.linked(Place.BASKET)
        lists = [merged_lists([self.bundle.bought_together(no) for no in items.tolist()])]
        lists += [links.of(items)] if links else []
        lists = [self._left(listed) for listed in lists]
        nos, causes = (
            np.concatenate(parts) for parts in zip(*((one.item_nos, one.causes) for one in lists), strict=True)
        )
        among, first = np.unique(nos, return_index=True)
        parts = [(one.item_nos, one.scores, 1.0) for one in lists]
        query = self._query_of(items)
        if query is not None:
            parts.append((among, self.bundle.items.vectors(among) @ query, MODEL_SHARE))
        together = Linked(*mixed(parts), causes[first])
        self.take_linked(together, Rung.BOUGHT_TOGETHER, lambda place: given[place])

    def _left(self, linked: Linked) -> Linked:
        """What may be shown and is not shown yet."""
        left = self.selection.allows(linked.item_nos) & ~np.isin(linked.item_nos, self.taken)
        return Linked(linked.item_nos[left], linked.scores[left], linked.causes[left])

    def _query_of(self, items: I32) -> F32 | None:
        """The query vector of the subject's items, as a basket or as purchases; None where the model ranks the same for
        everybody."""
        if not self.bundle.personal or not len(items):
            return None
        kind = EventType.PURCHASE if self._subject.company and self._subject.causes else EventType.CART
        return Evidence.of_session(self.bundle, tuple(SessionItem(no, kind) for no in items.tolist())).query(
            self.bundle
        )

    def neighbours(self) -> None:
        """The lists of what is like the causes, as one."""
        self._take_merged([self.bundle.items.similar(no) for no in self._cause_nos()], Rung.RELATED)

    def due(self) -> None:
        """What the person has bought and not returned, by how due it is today."""
        person = self.request.person
        if person is not None:
            scores = due_scores(person, self.bundle.due, self.request.today)
            due = person.purchased & (scores > 0)
            bought = Linked(*_by_number(person.items[due], scores[due]))
            self.take_linked(bought, Rung.BUY_AGAIN, lambda _: ItemReason(Reason.BUY_AGAIN))

    def viewed(self) -> None:
        self.take(self._subject.viewed, Rung.RECENTLY_VIEWED, ItemReason(Reason.RECENTLY_VIEWED))

    def on_sale(self) -> None:
        """What costs less than usual: for a known person by the model, then by popularity."""
        listed, cause = self.bundle.on_sale, ItemReason(Reason.ON_SALE)
        query = self.query if len(listed) else None
        if query is not None:
            allowed = listed[self.selection.allows(listed) & ~np.isin(listed, self.taken)][:RANKED_ON_SALE]
            scored = Linked(*_by_number(allowed, self.bundle.items.vectors(allowed) @ query))
            self.take_linked(scored, Rung.ON_SALE, lambda _: cause)
        if self.missing:
            self.take(listed, Rung.ON_SALE, cause)

    def _take_merged(self, lists: Sequence[I32], rung: Rung) -> None:
        self.take_linked(merged_lists(lists), rung, lambda place: self._subject.causes[place])

    def _cause_nos(self) -> list[int]:
        return [cause.item_no for cause in self._subject.causes if cause.item_no is not None]


def _by_number(item_nos: I32, scores: F32) -> tuple[I32, F32, I32]:
    order = np.argsort(item_nos)
    return item_nos[order], scores[order], np.zeros(len(order), np.int32)


def _subject(kind: Kind, request: RankingRequest) -> Subject:
    basket = _items(request, EventType.CART)
    page = [] if request.page is None else [request.page]
    if kind in (Kind.FOR_YOU, Kind.SESSION):
        return Subject(request)
    viewed = [item_no for item_no in dict.fromkeys(_items(request, EventType.VIEW)[::-1]) if item_no not in page]
    hidden = page if kind is Kind.RECENTLY_VIEWED else [*page, *basket]
    alone = request._replace(
        person=None, session=(), page=None, hide=np.append(request.hide, np.array(hidden, np.int32))
    )
    if kind in (Kind.SIMILAR, Kind.BOUGHT_TOGETHER):
        together = kind is Kind.BOUGHT_TOGETHER
        company = (ItemReason(Reason.BOUGHT_TOGETHER, request.page),) if together else ()
        return Subject(alone._replace(page=request.page, bought_together=together), company=company)
    if kind is Kind.BASKET:
        return _about_basket(alone, tuple(dict.fromkeys(basket)))
    if kind is Kind.BECAUSE_YOU_BOUGHT:
        return _about_purchases(alone, request)
    if kind is Kind.BECAUSE_YOU_VIEWED:
        return _about_view(alone, viewed[:1] or _last_viewed(request.person, page))
    if kind is Kind.BUY_AGAIN:
        # The visit knows of a purchase before an upload brings it.
        bought = np.array(_items(request, EventType.PURCHASE), np.int32)
        return Subject(alone._replace(person=request.person, hide=np.append(alone.hide, bought)))
    if kind is Kind.ON_SALE:
        return Subject(alone._replace(person=request.person))
    return Subject(alone, viewed=np.array(viewed, np.int32))


def _items(request: RankingRequest, kind: EventType) -> list[int]:
    """The items of the visit with an event of this kind, oldest first."""
    return [item.item_no for item in request.session if item.kind is kind]


def _about_basket(alone: RankingRequest, basket: tuple[int, ...]) -> Subject:
    latest = basket[-RECENT:]
    session = tuple(SessionItem(item_no, EventType.CART) for item_no in latest)
    causes = tuple(ItemReason(Reason.IN_YOUR_BASKET, item_no) for item_no in latest)
    return Subject(alone._replace(session=session), causes, is_there=bool(basket))


def _about_purchases(alone: RankingRequest, request: RankingRequest) -> Subject:
    """The purchases of the visit, or else the person's last order. What the person has bought is hidden already."""
    bought = _items(request, EventType.PURCHASE) or _last_order(request.person)
    causes = tuple(ItemReason(Reason.BECAUSE_YOU_BOUGHT, item_no) for item_no in dict.fromkeys(bought[::-1]))[:RECENT]
    hide = np.append(alone.hide, np.array(bought, np.int32))
    return Subject(alone._replace(hide=hide), causes, company=causes, is_there=bool(causes))


def _last_order(person: Person | None) -> list[int]:
    if person is None:
        return []
    latest = person.items[person.latest & person.purchased]
    bought: list[int] = (latest if len(latest) else person.items[person.purchased][-LAST_BOUGHT:]).tolist()
    return bought


def _about_view(alone: RankingRequest, viewed: list[int]) -> Subject:
    session = tuple(SessionItem(item_no, EventType.VIEW) for item_no in viewed)
    return Subject(alone._replace(session=session), is_there=bool(viewed))


def _last_viewed(person: Person | None, page: list[int]) -> list[int]:
    """The item that the person has looked at last, of those that they have not bought."""
    if person is None:
        return []
    viewed = [item_no for item_no in person.items[~person.purchased].tolist() if item_no not in page]
    return viewed[-1:]
