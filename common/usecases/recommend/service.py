"""The recommend service: answers requests from the served bundle, and follows `serving/current.json` in the
background."""

from __future__ import annotations

import logging
from typing import Final, NamedTuple

import numpy as np

from common import logs
from common.config import Purchased
from common.errors import NotFound, NotReady, RecsysError, Unanswered
from common.schemas.data import I32, EventType
from common.schemas.due import day_of
from common.schemas.kind import Kind
from common.serving.answer import render, render_cards
from common.serving.bundle import ServedBundle
from common.serving.evidence import SessionItem
from common.serving.filters import AVAILABLE, Filter
from common.serving.kind_ranking import rank_ahead, rank_kind
from common.serving.kinds import DECLARATIONS, Need
from common.serving.people import Person
from common.serving.precomputed import precomputed_picks
from common.serving.promotions import Promotion, promoted
from common.serving.purchased import decide, with_purchased
from common.serving.ranking import Pick, RankingRequest, Rung, rank
from common.serving.stages import Stage, Stages, StageTimer
from common.serving.variety import ANY, Variety
from common.usecases.recommend.answer_cache import Answer, AnswerCache, CacheKey, Extent
from common.usecases.recommend.bundle_watch import BundleWatch
from common.usecases.recommend.question_bounds import check_cost
from common.usecases.shared.context import Context

_NO_ITEMS: Final = np.empty(0, np.int32)

log = logging.getLogger(__name__)


class Query(NamedTuple):
    """A request in the shop's own ids. Ids that the catalogue does not have are ignored.

    user_id: the person that the caller may name, or None
    session: (item id, kind of event), oldest first
    page: the item whose page is open
    wanted: the filter
    exclude: item ids that must not be shown
    purchased: the treatment of repeat purchases, None for the shop's setting
    kind: the list that the page asks for, None for the ladder from the person to what is popular
    """

    n: int
    user_id: str | None = None
    session: tuple[tuple[str, EventType], ...] = ()
    page: str | None = None
    wanted: Filter = AVAILABLE
    exclude: tuple[str, ...] = ()
    purchased: Purchased | None = None
    kind: Kind | None = None
    variety: Variety = ANY
    promotions: tuple[Promotion, ...] = ()

    def is_unfiltered(self) -> bool:
        """Whether it allows every available item, and promotes none."""
        return not self.promotions and (self.wanted is AVAILABLE or self.wanted == AVAILABLE)

    def is_plain(self) -> bool:
        """Whether it only asks for `n` items for a person, so that a precomputed answer can be used."""
        narrowed = self.session or self.page is not None or self.exclude
        return not narrowed and self.is_unfiltered() and self.variety == ANY


class RecommendService:
    """The answers to requests. Safe to call from several threads; each call uses one bundle from beginning to end.

    `stages` records the time of each stage.
    """

    def __init__(self, context: Context, stages: Stages | None = None) -> None:
        self.watch = BundleWatch(context)
        self._now = context.now
        self._pseudonymizer = context.shop.pseudonymizer
        self._purchased = context.settings.purchased
        self._one_new_in = context.settings.new_share
        self._one_fresh_in = context.settings.order_share
        self._stages = stages or Stages()
        self._answers = AnswerCache()
        self._told: set[tuple[str, type[Exception]]] = set()

    def start(self) -> None:
        """Opens what is published, if anything is, and starts the thread that looks for newer versions."""
        self.watch.start()

    def stop(self) -> None:
        self.watch.stop()

    def is_quick(self, query: Query) -> bool:
        """Whether the answer needs no read of the catalogue's files, which takes milliseconds.

        Raises `BadRequest` for a question that costs too much in this catalogue.
        """
        bundle = self.watch.current
        if bundle is None or query.is_unfiltered():
            return True
        check_cost(query.wanted, query.promotions, bundle.items.n)
        filters = [query.wanted, *(those for those, _ in promoted(query.wanted, query.promotions))]
        return all(bundle.selections.has(wanted) for wanted in filters)

    def failed(self, error: Exception) -> Unanswered:
        """The error to answer with when a library has raised `error` in an answer. Each kind is logged once for each
        bundle."""
        self.watch.doubt()
        bundle_id = self._served().document.bundle_id
        told = bundle_id, type(error)
        if told not in self._told:
            self._told = {those for those in self._told if those[0] == bundle_id} | {told}
            message = error.message if isinstance(error, RecsysError) else f"{type(error).__name__}: {error}"
            trace = None if isinstance(error, RecsysError) else error
            logs.event(log, logging.ERROR, "answers fail", trace, bundle_id=bundle_id, error=message)
        return Unanswered("this answer could not be made from what is served: try again later")

    def remembered(self, key: CacheKey) -> Answer | None:
        """The cached answer, if it is still valid. Raises `NotReady`."""
        opening = self._served().opening
        if opening is not self._answers.opening:
            # A reference to the bundle itself would keep a replaced one open until the next request.
            self._answers = AnswerCache(opening)
        answer = self._answers.find(key)
        return None if answer and answer.day is not None and answer.day != self._today() else answer

    def remember(self, key: CacheKey, answer: Answer) -> None:
        """Adds an answer to the cache."""
        self._answers.keep(key, answer)

    def recommend(self, query: Query) -> Answer:
        """Recommendations for a person, a session, a page, or everybody. Raises `NotReady` while nothing is
        published."""
        timer = StageTimer()
        bundle = self._served()
        person = self._person(bundle, query.user_id)
        if query.kind is not None:
            return self._of_kind(bundle, query.kind, query, person, timer)
        picks = self._precomputed(bundle, query, person)
        if picks is not None:
            timer.end(Stage.ENCODE)
            return self._written(bundle, picks, timer)
        request = with_purchased(bundle, _request(bundle, query, person), query.purchased or self._purchased)
        timer.end(Stage.ENCODE)
        return self._answer(bundle, request, timer)

    def similar(self, item_id: str, query: Query) -> Answer:
        """Items similar to one item; of the query, `n`, `wanted`, `exclude` and `variety` are used.

        Raises `NotFound` for an unknown item, `NotReady` while nothing is published.
        """
        return self._beside(item_id, query, bought_together=False)

    def bought_together(self, item_id: str, query: Query) -> Answer:
        """As `similar`, with items bought together with the item first."""
        return self._beside(item_id, query, bought_together=True)

    def popular(self, query: Query) -> Answer:
        """The most popular items; of the query, `n`, `wanted`, `exclude` and `variety` are used."""
        bundle = self._served()
        return self._answer(bundle, _general_request(bundle, query), StageTimer())

    def cards(self, item_ids: tuple[str, ...]) -> Answer:
        """The cards of these items, in this order; ids that the catalogue does not have are left out."""
        bundle = self._served()
        return Answer(render_cards(bundle, _numbers(bundle, item_ids).tolist()), (), bundle.opening)

    def _of_kind(
        self, bundle: ServedBundle, kind: Kind, query: Query, person: Person | None, timer: StageTimer
    ) -> Answer:
        """The list of a kind. Raises `NotFound` where it is about an item that the catalogue does not have."""
        declared = DECLARATIONS[kind]
        request = _request(bundle, query, person)
        if declared.needs is Need.ITEM and request.page is None:
            raise NotFound("the catalogue has no item of this id")
        treatment = declared.treatment(query.purchased, self._purchased)
        today = self._today() if kind is Kind.BUY_AGAIN or (declared.fresh_order and person is not None) else None
        request = with_purchased(bundle, request, treatment)._replace(today=today)
        picks = None
        if kind is Kind.FOR_YOU and query.is_plain():
            picks = rank_ahead(bundle, request, decide(bundle, treatment), self._one_new_in, self._one_fresh_in)
        timer.end(Stage.ENCODE)
        if picks is None:
            picks = rank_kind(bundle, kind, request, self._one_new_in, timer, one_fresh_in=self._one_fresh_in)
        answer = self._written(bundle, picks, timer, kind)
        return answer._replace(kind=kind, extent=_extent(len(picks), query.n), day=today)

    def _today(self) -> int:
        return day_of(self._now().timestamp())

    def _served(self) -> ServedBundle:
        bundle = self.watch.current
        if bundle is None and self.watch.nothing_published:
            raise NotReady("nothing is published yet: upload events and items, and let train run")
        if bundle is None:
            raise NotReady("what is published is not loaded yet; the function's log says why, if it is for long")
        return bundle

    def _beside(self, item_id: str, query: Query, bought_together: bool) -> Answer:
        bundle = self._served()
        page = bundle.items.find(item_id)
        if page is None:
            raise NotFound("the catalogue has no item of this id")
        request = _general_request(bundle, query)._replace(page=page, bought_together=bought_together)
        return self._answer(bundle, request, StageTimer())

    def _answer(self, bundle: ServedBundle, request: RankingRequest, timer: StageTimer) -> Answer:
        return self._written(bundle, rank(bundle, request, timer), timer)

    def _precomputed(self, bundle: ServedBundle, query: Query, person: Person | None) -> list[Pick] | None:
        if person is None or person.precomputed is None or not query.is_plain():
            return None
        purchased = query.purchased or self._purchased
        same_treatment = purchased is Purchased.AUTO or decide(bundle, purchased) is decide(bundle, Purchased.AUTO)
        return precomputed_picks(bundle, person, query.n) if same_treatment else None

    def _written(self, bundle: ServedBundle, picks: list[Pick], timer: StageTimer, kind: Kind | None = None) -> Answer:
        rungs: dict[Rung, int] = {}
        for pick in picks:
            rungs[pick.rung] = rungs.get(pick.rung, 0) + 1
        answer = Answer(render(bundle, picks, kind), tuple(rungs.items()), bundle.opening)
        timer.end(Stage.WRITE)
        self._stages.add(timer)
        return answer

    def _person(self, bundle: ServedBundle, user_id: str | None) -> Person | None:
        if user_id is None:
            return None
        person = bundle.find_person(self._pseudonymizer.user_key(user_id))
        if person:
            return person
        earlier = map(bundle.find_person, self._pseudonymizer.earlier_keys(user_id))
        return next((person for person in earlier if person), None)


def _general_request(bundle: ServedBundle, query: Query) -> RankingRequest:
    """The parts of the query that do not concern a person, a session or a page."""
    hide = _numbers(bundle, query.exclude) if query.exclude else _NO_ITEMS
    return RankingRequest(n=query.n, wanted=query.wanted, hide=hide, variety=query.variety)


def _request(bundle: ServedBundle, query: Query, person: Person | None) -> RankingRequest:
    """The query in numbers, without the treatment of purchases."""
    return _general_request(bundle, query)._replace(
        person=person,
        session=_session(bundle, query.session),
        page=None if query.page is None else bundle.items.find(query.page),
        promotions=query.promotions,
    )


def _extent(n_shown: int, n: int) -> Extent:
    return Extent.FULL if n_shown == n else Extent.PART if n_shown else Extent.EMPTY


def _numbers(bundle: ServedBundle, item_ids: tuple[str, ...]) -> I32:
    numbers = (bundle.items.find(item_id) for item_id in item_ids)
    return np.array([item_no for item_no in numbers if item_no is not None], np.int32)


def _session(bundle: ServedBundle, session: tuple[tuple[str, EventType], ...]) -> tuple[SessionItem, ...]:
    numbered = ((bundle.items.find(item_id), kind) for item_id, kind in session)
    return tuple(SessionItem(item_no, kind) for item_no, kind in numbered if item_no is not None)
