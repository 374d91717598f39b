"""The kinds that a page asks for: each keeps its promise, whatever is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.config import Purchased
from common.ids import UserKey
from common.schemas.data import EventType
from common.schemas.documents import DueSettings, RepeatPurchases
from common.schemas.kind import Kind
from common.schemas.links import Place
from common.serving.bundle import ServedBundle, open_bundle
from common.serving.evidence import Reason, SessionItem
from common.serving.filters import Filter
from common.serving.kind_ranking import has_new_items, rank_ahead, rank_kind
from common.serving.kinds import DECLARATIONS, Listing, Need
from common.serving.last_order import FRESH_DAYS
from common.serving.people import Person
from common.serving.purchased import decide, with_purchased
from common.serving.ranking import Pick, RankingRequest, Rung, rank
from common.serving.variety import Variety
from tests.bundles import Goods, History, describe, item_links, item_lists, layer_content, model_info

N, DIM = 40, 4
ADA, BEN, NOBODY = (UserKey(letter * 16) for letter in (b"a", b"b", b"n"))
BOUGHT, LOOKED_AT, LAST_ORDER = (3, 9, 14, 20, 21), (30, 31), (20, 21)
TODAY = 20_000
# Of Ada's purchases: long due, due, not yet due, bought today, lapsed.
DAYS = [TODAY - since for since in (20, 10, 2, 0, 300, 0, 0)]
GAPS = [15.0, 10.0, 40.0, 10.0, 30.0, 1.0, 1.0]
BOUGHT_TODAY = {BOUGHT[3]}
SOLD_OUT, FEW_KNOW = {2, 9, 33}, [39, 38, 36, 35]
ON_SALE = [5, 2, 17, 33, 20, 11]
ONE_IN = 4
WORLDS = ("links", "no links", "impersonal", "later", "other order", "mixed")
FIRST = {
    Kind.BASKET: Listing.OWN, Kind.BOUGHT_TOGETHER: Listing.LINKED, Kind.BECAUSE_YOU_BOUGHT: Listing.LINKED,
    Kind.BECAUSE_YOU_VIEWED: Listing.RELATED, Kind.SESSION: Listing.OWN,
}  # fmt: skip
"""What stands first in the world "other order"."""
OF_COMPANY = (Kind.BASKET, Kind.BOUGHT_TOGETHER, Kind.BECAUSE_YOU_BOUGHT)


def world(name: str, directory: Path) -> ServedBundle:
    random = np.random.default_rng(5)
    width, encoder = (1, "constant") if name == "impersonal" else (DIM, "als_fold_in")
    vectors = random.standard_normal((N, width)).astype(np.float32)
    tastes = random.standard_normal((2, width)).astype(np.float32)
    goods = Goods(
        range(N), vectors, categories=[f"c{number % 3}" for number in range(N)],
        available=[number not in SOLD_OUT for number in range(N)], created_at=range(N),
        similar=np.array([random.permutation(N)[:3] for _ in range(N)], np.int32),
    )  # fmt: skip
    bought = [True] * len(BOUGHT) + [False] * len(LOOKED_AT)
    own = None if name == "impersonal" else tastes
    people = {
        ADA: History(
            (*BOUGHT, *LOOKED_AT), None if own is None else own[0], [1, 5, 2, 3, 1, 1, 1], bought,
            [number in LAST_ORDER for number in (*BOUGHT, *LOOKED_AT)], DAYS, GAPS,
        ),
        BEN: History((8, 12, 13, 7, 6), None if own is None else own[1]),
    }  # fmt: skip
    links = {place: _links(random) for place in Place} if name in ("links", "other order", "mixed") else {}
    base = layer_content(
        goods, people, {"gram": (vectors.T @ vectors + np.eye(width)).astype(np.float32)},
        popular=np.array([5, 4, 3, 14, 0], np.int32), newest=_without_sold_out(range(N - 1, -1, -1)),
        popular_by_category={f"c{place}": np.array([place, place + 3], np.int32) for place in range(3)},
        bought_together=item_lists({number: random.permutation(N)[:4].tolist() for number in range(0, N, 2)}),
        on_sale=np.array(ON_SALE, np.int32), few_know=np.array(FEW_KNOW, np.int32),
        links={place.value: rows for place, rows in links.items()},
    )  # fmt: skip
    again = layer_content(Goods([7], vectors[7:8], categories=["c1"], created_at=[7]))
    layers = [base, again] if name == "later" else [base]
    document, paths = describe(
        layers, model_info(width, encoder, repeats=_chosen(name), due=_due(name), first_lists=_first(name)),
        directory, precomputed=True,
    )  # fmt: skip
    beside = {place.value: model_info(0, "links", encoder_params={"memory": 1.0}) for place in links}
    return open_bundle(document.model_copy(update={"beside": beside}), lambda ref: paths[ref.key])


def _chosen(name: str) -> RepeatPurchases | None:
    return RepeatPurchases(decision="boost", boost=1.0) if name == "later" else None


def _due(name: str) -> DueSettings | None:
    return DueSettings(early=0.5, late=0.5) if name == "later" else None


def _first(name: str) -> dict[str, str]:
    if name == "mixed":
        return dict.fromkeys(OF_COMPANY, Listing.MIXED)
    return {kind.value: listing.value for kind, listing in FIRST.items()} if name == "other order" else {}


def _links(random: np.random.Generator) -> Any:
    rows = {number: random.permutation(N)[:5].tolist() for number in range(0, N, 3)}
    return item_links({number: {other: 1.0 + other / 10 for other in row} for number, row in rows.items()})


def _without_sold_out(numbers: Any) -> Any:
    return np.array([number for number in numbers if number not in SOLD_OUT], np.int32)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ServedBundle]]:
    return {name: world(name, tmp_path_factory.mktemp("world")) for name in WORLDS}  # type: ignore[return-value]


@dataclass(frozen=True)
class Question:
    kind: Kind
    world: str
    person: UserKey
    session: tuple[SessionItem, ...]
    page: int
    n: int
    exclude: tuple[int, ...]
    category: str | None
    most: int | None
    diversity: float
    one_in: int
    one_fresh_in: int

    def request(self, bundle: ServedBundle) -> RankingRequest:
        declared = DECLARATIONS[self.kind]
        request = RankingRequest(
            n=self.n,
            wanted=Filter(categories=(self.category,)) if self.category else Filter(),
            person=bundle.find_person(self.person),
            session=self.session,
            page=self.page if self.page >= 0 or declared.needs is not Need.ITEM else 0,
            hide=np.array(self.exclude, np.int32),
            variety=Variety(self.diversity, self.most),
            today=TODAY,
        )
        request = request._replace(page=None if request.page == -1 else request.page)
        return with_purchased(bundle, request, declared.treatment(None, Purchased.AUTO))

    def items(self, kind: EventType) -> list[int]:
        return [item.item_no for item in self.session if item.kind is kind]


NUMBERS = st.integers(0, N - 1) | st.sampled_from(FEW_KNOW)
QUESTIONS = st.builds(
    Question,
    kind=st.sampled_from(list(Kind)),
    world=st.sampled_from(WORLDS),
    person=st.sampled_from([ADA, BEN, NOBODY]),
    session=st.lists(st.builds(SessionItem, NUMBERS, st.sampled_from(list(EventType))), max_size=6).map(tuple),
    page=st.just(-1) | NUMBERS,
    n=st.integers(1, 50),
    exclude=st.lists(NUMBERS, max_size=5).map(tuple),
    category=st.sampled_from([None, None, "c0", "c1"]),
    most=st.sampled_from([None, 1, 2, 3]),
    diversity=st.sampled_from([0.0, 0.0, 0.5]),
    one_in=st.sampled_from([0, ONE_IN, 12]),
    one_fresh_in=st.sampled_from([0, ONE_IN]),
)


def numbers_of(picks: list[Pick]) -> list[int]:
    return [pick.item_no for pick in picks]


@settings(max_examples=400, deadline=None)
@given(asked=QUESTIONS)
def test_every_kind_keeps_its_promise(bundles: dict[str, ServedBundle], asked: Question) -> None:
    bundle = bundles[asked.world]
    request = asked.request(bundle)
    picks = rank_kind(bundle, asked.kind, request, asked.one_in, one_fresh_in=asked.one_fresh_in)
    shown = numbers_of(picks)
    may = [
        number for number in range(N)
        if number not in {*SOLD_OUT, *asked.exclude} and (asked.category is None or f"c{number % 3}" == asked.category)
    ]  # fmt: skip
    assert len(shown) == len(set(shown)) <= asked.n
    assert set(shown) <= set(may)
    if asked.most is not None:
        assert max((sum(no % 3 == c for no in shown) for c in range(3)), default=0) <= asked.most
    if asked.kind is not Kind.RECENTLY_VIEWED:
        assert not set(shown) & set(asked.items(EventType.CART))
    if request.page is not None:
        assert request.page not in shown
    assert rank_kind(bundle, asked.kind, request, asked.one_in, one_fresh_in=asked.one_fresh_in) == picks
    if not DECLARATIONS[asked.kind].fresh_order:
        assert rank_kind(bundle, asked.kind, request, asked.one_in) == picks
    PROMISES[asked.kind](bundle, asked, request, picks, may)


def similar(bundle: ServedBundle, asked: Question, request: RankingRequest, picks: list[Pick], _may: list[int]) -> None:
    """What the path of the item answers to the same question."""
    basket = np.array(asked.items(EventType.CART), np.int32)
    together = asked.kind is Kind.BOUGHT_TOGETHER
    alone = request._replace(person=None, session=(), bought_together=together, hide=np.append(request.hide, basket))
    of_path = rank(bundle, alone)
    if asked.world in ("other order", "mixed") and together:
        linked = [pick for pick in picks if pick.rung is Rung.BOUGHT_TOGETHER]
        assert {pick.cause for pick in linked} <= {(Reason.BOUGHT_TOGETHER, request.page)}
        assert asked.most is not None or len(picks) == len(of_path)
    else:
        assert picks == of_path


def basket(bundle: ServedBundle, asked: Question, request: RankingRequest, picks: list[Pick], may: list[int]) -> None:
    inside = set(asked.items(EventType.CART))
    if not inside:
        assert {pick.rung for pick in picks} <= {Rung.POPULAR_IN_CATEGORY, Rung.POPULAR, Rung.NEWEST}
        return
    assert {pick.cause.reason for pick in picks} <= {Reason.IN_YOUR_BASKET}
    assert {pick.cause.item_no for pick in picks} <= inside
    if asked.world == "impersonal":
        goes_with = {int(other) for number in inside for other in bundle.bought_together(number)}
        assert set(numbers_of(picks)) <= goes_with
    elif asked.most is None:
        assert len(picks) == min(asked.n, len(set(may) - inside - {request.page}))


def for_you(bundle: ServedBundle, asked: Question, request: RankingRequest, picks: list[Pick], may: list[int]) -> None:
    assert request.person is None or not {*request.person.items[request.person.purchased].tolist()} & {
        *numbers_of(picks)
    }
    filled(bundle, asked, request, picks, may)


def filled(bundle: ServedBundle, asked: Question, request: RankingRequest, picks: list[Pick], may: list[int]) -> None:
    seen = {item.item_no for item in asked.session} | {request.page}
    if asked.most is None:
        assert len(picks) == min(asked.n, len(set(may) - seen - {*request.hide.tolist()}))
    plain = rank_kind(bundle, asked.kind, request, one_fresh_in=asked.one_fresh_in)
    moved = [pick for pick in picks if pick not in plain]
    assert len(moved) <= (asked.n // asked.one_in if asked.one_in else 0)
    assert {pick.item_no for pick in moved} <= set(FEW_KNOW)
    assert all(picks.index(pick) % asked.one_in == asked.one_in - 1 for pick in moved)
    others = [pick for pick in picks if pick not in moved]
    assert others == plain[: len(others)], "the others keep their order"


def buy_again(
    bundle: ServedBundle, asked: Question, request: RankingRequest, picks: list[Pick], may: list[int]
) -> None:
    person = request.person
    bought = set() if person is None else set(person.items[person.purchased].tolist())
    assert set(numbers_of(picks)) <= bought
    assert {(pick.rung, pick.cause) for pick in picks} <= {(Rung.BUY_AGAIN, (Reason.BUY_AGAIN, None))}
    if asked.most is None:
        seen = {request.page, *asked.items(EventType.CART), *asked.items(EventType.PURCHASE)}
        left = bought & set(may) - seen - (BOUGHT_TODAY if asked.person == ADA else set())
        assert len(picks) == min(asked.n, len(left))
        if person is not None and not asked.diversity:
            due = dict(zip(person.items.tolist(), due_by_hand(asked, person), strict=True))
            best = sorted((due[no] for no in left), reverse=True)[: asked.n]
            assert [due[no] for no in numbers_of(picks)] == best
            assert [pick.score for pick in picks] == pytest.approx(best, rel=5e-3)


def due_by_hand(asked: Question, person: Person) -> list[float]:
    """Early a quarter of the gap and more before it, late after a whole gap, where the world's settings say so."""
    strength = 0.5 if asked.world == "later" else 0.0
    scores = []
    for place, repeats in enumerate(person.repeats.tolist()):
        gaps = (TODAY - DAYS[place]) / GAPS[place] if asked.person == ADA else 1
        scores.append(repeats * (min(gaps / 0.25, 1) / max(gaps, 1)) ** strength if gaps > 0 else 0.0)
    return scores


def because_you_bought(
    bundle: ServedBundle, asked: Question, request: RankingRequest, picks: list[Pick], _may: list[int]
) -> None:
    of_person = {ADA: set(LAST_ORDER), BEN: {12, 13, 7, 6}, NOBODY: set()}[asked.person]
    causes = set(asked.items(EventType.PURCHASE)) or of_person
    assert {pick.cause.reason for pick in picks} <= {Reason.BECAUSE_YOU_BOUGHT}
    assert {pick.cause.item_no for pick in picks} <= causes
    bought = set() if request.person is None else set(request.person.items[request.person.purchased].tolist())
    assert not set(numbers_of(picks)) & (causes | bought)


def because_you_viewed(
    bundle: ServedBundle, asked: Question, request: RankingRequest, picks: list[Pick], _may: list[int]
) -> None:
    viewed = [number for number in asked.items(EventType.VIEW) if number != request.page]
    if not viewed and asked.person is ADA:
        viewed = [number for number in LOOKED_AT if number != request.page]
    assert {pick.cause for pick in picks} <= {(Reason.BECAUSE_YOU_VIEWED, viewed[-1])} if viewed else not picks
    assert not viewed or viewed[-1] not in numbers_of(picks)
    assert {pick.rung for pick in picks} <= {Rung.SESSION, Rung.RELATED}


def recently_viewed(
    bundle: ServedBundle, asked: Question, request: RankingRequest, picks: list[Pick], may: list[int]
) -> None:
    newest_first = dict.fromkeys(asked.items(EventType.VIEW)[::-1])
    wanted = [number for number in newest_first if number in may and number != request.page]
    if asked.most is None:
        assert numbers_of(picks) == wanted[: asked.n]
    assert set(numbers_of(picks)) <= set(wanted)
    assert {pick.cause for pick in picks} <= {(Reason.RECENTLY_VIEWED, None)}


def popular(bundle: ServedBundle, asked: Question, request: RankingRequest, picks: list[Pick], may: list[int]) -> None:
    hide = np.append(request.hide, np.array([*asked.items(EventType.CART)], np.int32))
    if request.page is not None:
        hide = np.append(hide, np.int32(request.page))
    general = rank(bundle, RankingRequest(request.n, request.wanted, hide=hide, variety=request.variety))
    if not (asked.category and asked.one_in):
        assert picks == general
    assert len([pick for pick in picks if pick not in general]) <= (asked.n // asked.one_in if asked.one_in else 0)


def newest(bundle: ServedBundle, asked: Question, request: RankingRequest, picks: list[Pick], may: list[int]) -> None:
    left = sorted(set(may) - {request.page, *asked.items(EventType.CART)}, reverse=True)
    assert {pick.rung for pick in picks} <= {Rung.NEWEST}
    if asked.most is None:
        assert numbers_of(picks) == left[: asked.n]


def on_sale(bundle: ServedBundle, asked: Question, request: RankingRequest, picks: list[Pick], may: list[int]) -> None:
    left = [number for number in ON_SALE if number in set(may) - {request.page, *asked.items(EventType.CART)}]
    assert set(numbers_of(picks)) <= set(left)
    assert {(pick.rung, pick.cause) for pick in picks} <= {(Rung.ON_SALE, (Reason.ON_SALE, None))}
    if asked.most is None:
        assert len(picks) == min(asked.n, len(left))
    if asked.most is None and (request.person is None or not bundle.personal):
        assert numbers_of(picks) == left[: asked.n]
    elif asked.most is None and not asked.diversity:
        assert request.person is not None
        assert request.person.vector is not None
        scores = bundle.items.vectors(np.array(left, np.int32)) @ request.person.vector
        assert numbers_of(picks) == [left[place] for place in np.argsort(-scores)][: asked.n]


PROMISES = {
    Kind.SIMILAR: similar,
    Kind.BOUGHT_TOGETHER: similar,
    Kind.BASKET: basket,
    Kind.FOR_YOU: for_you,
    Kind.BUY_AGAIN: buy_again,
    Kind.BECAUSE_YOU_BOUGHT: because_you_bought,
    Kind.BECAUSE_YOU_VIEWED: because_you_viewed,
    Kind.SESSION: filled,
    Kind.RECENTLY_VIEWED: recently_viewed,
    Kind.POPULAR: popular,
    Kind.NEWEST: newest,
    Kind.ON_SALE: on_sale,
}


def test_every_kind_is_declared_and_promises_something() -> None:
    assert set(Kind) == set(DECLARATIONS) == set(PROMISES)
    assert {kind for kind in Kind if DECLARATIONS[kind].is_filled} == {
        Kind.SIMILAR, Kind.BOUGHT_TOGETHER, Kind.FOR_YOU, Kind.SESSION, Kind.POPULAR,
    }  # fmt: skip
    declared = DECLARATIONS.values()
    assert {listing for one in declared for listing in (*one.lists, *one.contenders)} == set(Listing)


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("n", [1, ONE_IN, 11, 12, 24])
@pytest.mark.parametrize("asked", [Purchased.HIDE, Purchased.SHOW, Purchased.AUTO])
@pytest.mark.parametrize("one_fresh_in", [0, ONE_IN])
def test_a_precomputed_answer_is_the_same(
    bundles: dict[str, ServedBundle], name: str, n: int, asked: Purchased, one_fresh_in: int
) -> None:
    bundle = bundles[name]
    for key in (ADA, BEN):
        treatment = DECLARATIONS[Kind.FOR_YOU].treatment(asked, Purchased.AUTO)
        request = RankingRequest(n, person=bundle.find_person(key), today=TODAY)
        request = with_purchased(bundle, request, treatment)
        ahead = rank_ahead(bundle, request, decide(bundle, treatment), ONE_IN, one_fresh_in)
        ranked = rank_kind(bundle, Kind.FOR_YOU, request, ONE_IN, one_fresh_in=one_fresh_in)
        assert ahead is None or [pick[:3] for pick in ahead] == [pick[:3] for pick in ranked]
        if name == "no links" and n < 12 and asked is Purchased.HIDE:
            assert ahead is not None


@pytest.mark.parametrize("kind", FIRST)
def test_a_contender_stands_first_where_the_model_says_so(kind: Kind) -> None:
    """The others follow as declared, and what is no contender has no effect."""
    declared = DECLARATIONS[kind]
    for first in Listing:
        order = declared.filled_from(first)
        assert order[0] == first if first in declared.contenders else order == declared.lists
        assert [listing for listing in order if listing != first] == [one for one in declared.lists if one != first]
    assert declared.filled_from(None) == declared.filled_from("of a later release") == declared.lists


def test_an_order_that_nobody_knows_is_as_declared(bundles: dict[str, ServedBundle]) -> None:
    """Of a later release, or of a document that somebody has changed."""
    odd = {"basket": "newest", "bought-together": "../secret", "": "own", "similar": "popular", "of later": "linked"}
    usual = bundles["no links"]
    model = usual.document.model.model_copy(update={"first_lists": odd})
    bundle = ServedBundle(usual.document.model_copy(update={"model": model}), usual.items.layers)
    session = (SessionItem(0, EventType.CART), SessionItem(6, EventType.VIEW), SessionItem(3, EventType.PURCHASE))
    for kind in Kind:
        request = RankingRequest(N, page=4, session=session, person=bundle.find_person(ADA), today=TODAY)
        assert rank_kind(bundle, kind, request) == rank_kind(usual, kind, request)


def test_what_stands_first_is_shown_first(bundles: dict[str, ServedBundle]) -> None:
    """Of links of a basket, the row of the page or of what was bought; by the model, what its vectors say."""
    bundle, usual = bundles["other order"], bundles["links"]
    rows = bundle.linked(Place.BASKET)
    assert rows is not None
    together = rank_kind(bundle, Kind.BOUGHT_TOGETHER, RankingRequest(N, page=3))
    row = rows.of(np.array([3], np.int32))
    best = [number for number in row.item_nos[np.argsort(-row.scores)].tolist() if number not in {*SOLD_OUT, 3}]
    assert best
    assert numbers_of(together)[: len(best)] == best
    assert {pick[1:3] for pick in together[: len(best)]} == {(Rung.BOUGHT_TOGETHER, (Reason.BOUGHT_TOGETHER, 3))}
    visit = tuple(SessionItem(number, EventType.PURCHASE) for number in (6, 3))
    after = rank_kind(bundle, Kind.BECAUSE_YOU_BOUGHT, RankingRequest(N, session=visit))
    linked = rows.of(np.array([6, 3], np.int32))
    allowed = ~np.isin(linked.item_nos, [*SOLD_OUT, 6, 3])
    assert after[0].item_no == linked.item_nos[allowed][linked.scores[allowed].argmax()]
    basket = RankingRequest(N, session=(SessionItem(0, EventType.CART),))
    assert {pick.rung for pick in rank_kind(bundle, Kind.BASKET, basket)[:20]} == {Rung.SESSION}
    assert numbers_of(rank_kind(bundle, Kind.BASKET, basket)) != numbers_of(rank_kind(usual, Kind.BASKET, basket))
    viewed = RankingRequest(N, session=(SessionItem(6, EventType.VIEW),))
    assert rank_kind(bundle, Kind.BECAUSE_YOU_VIEWED, viewed)[0].rung is Rung.RELATED
    assert rank_kind(usual, Kind.BECAUSE_YOU_VIEWED, viewed)[0].rung is Rung.SESSION


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("since", [0, FRESH_DAYS, FRESH_DAYS + 1])
def test_what_a_fresh_order_leads_to_stands_in_fixed_places(
    bundles: dict[str, ServedBundle], name: str, since: int
) -> None:
    """The last but one of each four. What the order leads to is scored as if nothing else were known."""
    bundle = bundles[name]
    person = bundle.find_person(ADA)
    assert person is not None
    request = RankingRequest(8, person=person, today=TODAY + since)
    request = with_purchased(bundle, request, Purchased.HIDE)
    plain = rank_kind(bundle, Kind.FOR_YOU, request)
    picks = rank_kind(bundle, Kind.FOR_YOU, request, one_fresh_in=ONE_IN)
    if since > FRESH_DAYS:
        assert picks == plain
        return
    led_to = [pick for pick in picks if pick not in plain]
    assert picks[2::4][: len(led_to)] == led_to
    assert [pick for pick in picks if pick in plain] == plain[: 8 - len(led_to)]
    assert {pick.cause.reason for pick in led_to} == {Reason.BECAUSE_YOU_BOUGHT}
    assert {pick.cause.item_no for pick in led_to} <= set(LAST_ORDER)
    order = np.array(LAST_ORDER, np.int32)
    if name == "impersonal":
        goes_with = {int(other) for number in LAST_ORDER for other in bundle.bought_together(number)}
        assert set(numbers_of(led_to)) <= goes_with
        return
    scores = bundle.items.vectors(np.arange(N, dtype=np.int32)) @ bundle.encode(order, np.ones(2, np.float32))
    others = [no for no in range(N) if no not in {*BOUGHT, *SOLD_OUT, *numbers_of(plain)}]
    assert numbers_of(led_to) == sorted(others, key=lambda no: -scores[no])[:2]


@pytest.mark.parametrize("kind", OF_COMPANY)
def test_links_and_what_is_bought_together_are_mixed_and_the_model_has_a_say(
    bundles: dict[str, ServedBundle], kind: Kind
) -> None:
    bundle, given = bundles["mixed"], [0] if kind is Kind.BOUGHT_TOGETHER else [0, 6]
    event = EventType.CART if kind is Kind.BASKET else EventType.PURCHASE
    session = () if kind is Kind.BOUGHT_TOGETHER else tuple(SessionItem(number, event) for number in given)
    request = RankingRequest(N, session=session, page=0 if kind is Kind.BOUGHT_TOGETHER else None)
    hidden = {*SOLD_OUT, *given}
    links = bundle.linked(Place.BASKET)
    assert links is not None
    row = links.of(np.array(given, np.int32))
    linked = dict(zip(row.item_nos.tolist(), row.scores.tolist(), strict=True))
    together: dict[int, float] = {}
    for number in given:
        for place, other in enumerate(bundle.bought_together(number).tolist(), start=1):
            together[other] = together.get(other, 0) + 1 / place
    weight = bundle.event_weights[EventType.PURCHASE if kind is Kind.BECAUSE_YOU_BOUGHT else EventType.CART]
    query = bundle.encode(np.array(given, np.int32), np.full(len(given), weight, np.float32))
    of_model = {no: float(bundle.items.vectors(np.array([no]))[0] @ query) for no in {*linked, *together}}
    points: dict[int, float] = {}
    for listed, share in ((linked, 1.0), (together, 1.0), (of_model, 0.5)):
        best = sorted((-score, no) for no, score in listed.items() if no not in hidden)
        for place, (_, number) in enumerate(best, start=1):
            points[number] = points.get(number, 0) + share / (5 + place)
    picks = [pick for pick in rank_kind(bundle, kind, request) if pick.rung is Rung.BOUGHT_TOGETHER]
    assert [pick.score for pick in picks] == pytest.approx(sorted(points.values(), reverse=True))
    assert {pick.item_no: pick.score for pick in picks} == pytest.approx(points)
    assert {pick.cause.item_no for pick in picks} <= set(given)


def test_purchases_of_the_visit_are_causes_in_front_of_older_ones(bundles: dict[str, ServedBundle]) -> None:
    bundle = bundles["no links"]
    session = (SessionItem(4, EventType.VIEW), SessionItem(6, EventType.PURCHASE), SessionItem(8, EventType.PURCHASE))
    request = RankingRequest(N, person=bundle.find_person(ADA), session=session)
    picks = rank_kind(bundle, Kind.BECAUSE_YOU_BOUGHT, request)
    together = {pick.item_no for pick in picks if pick.rung is Rung.BOUGHT_TOGETHER}
    lists = {*bundle.bought_together(6).tolist(), *bundle.bought_together(8).tolist()}
    assert together == lists - SOLD_OUT - {6, 8}
    assert {pick.cause.item_no for pick in picks} == {6, 8}
    assert Rung.RELATED in {pick.rung for pick in picks}
    of_person = rank_kind(bundle, Kind.BECAUSE_YOU_BOUGHT, request._replace(session=()))
    assert {pick.cause.item_no for pick in of_person} == set(LAST_ORDER)


def test_who_decides_about_purchases() -> None:
    for_you, again = DECLARATIONS[Kind.FOR_YOU], DECLARATIONS[Kind.BUY_AGAIN]
    assert for_you.treatment(None, Purchased.AUTO) is Purchased.HIDE
    assert for_you.treatment(None, Purchased.SHOW) is Purchased.SHOW
    assert for_you.treatment(Purchased.AUTO, Purchased.SHOW) is Purchased.AUTO
    assert again.treatment(None, Purchased.HIDE) is Purchased.SHOW


def test_a_new_item_stands_in_a_fixed_place(bundles: dict[str, ServedBundle]) -> None:
    """The one that fits best, by the person's taste; of a category that the newest is in, the newest."""
    bundle = bundles["no links"]
    person = bundle.find_person(BEN)
    assert person is not None
    assert person.vector is not None
    request = with_purchased(bundle, RankingRequest(7, person=person), Purchased.HIDE)
    plain, met = (rank_kind(bundle, Kind.FOR_YOU, request, one_in) for one_in in (0, 7))
    by_merit = set(numbers_of(plain)) & set(FEW_KNOW)
    scores = bundle.items.vectors(np.array(FEW_KNOW, np.int32)) @ person.vector
    assert not by_merit
    assert met[:6] == plain[:6]
    assert met[6] == (FEW_KNOW[int(scores.argmax())], Rung.NEWEST, (Reason.NEW, None), None)
    of_category = RankingRequest(2, Filter(categories=("c0",)))
    assert has_new_items(Kind.POPULAR, of_category)
    assert not has_new_items(Kind.POPULAR, RankingRequest(2))
    assert numbers_of(rank_kind(bundle, Kind.POPULAR, of_category, 0)) == [0, 3]
    assert numbers_of(rank_kind(bundle, Kind.POPULAR, of_category, 2)) == [0, 39]


def test_a_list_takes_what_goes_with_several_causes_first(bundles: dict[str, ServedBundle]) -> None:
    bundle = bundles["no links"]
    session = tuple(SessionItem(number, EventType.CART) for number in (0, 4, 6))
    lists = {number: bundle.bought_together(number).tolist() for number in (0, 4, 6)}
    points: dict[int, float] = {}
    for listed in lists.values():
        for place, number in enumerate(listed, start=1):
            points[number] = points.get(number, 0) + 1 / place
    allowed = {number: score for number, score in points.items() if number not in {*SOLD_OUT, 0, 4, 6}}
    picks = rank_kind(bundle, Kind.BASKET, RankingRequest(N, session=session))
    together = [pick for pick in picks if pick.rung is Rung.BOUGHT_TOGETHER]
    assert [pick.score for pick in together] == pytest.approx(sorted(allowed.values(), reverse=True))
    assert {pick.item_no for pick in together} == set(allowed)
    assert all(pick.item_no in lists[pick.cause.item_no] for pick in together if pick.cause.item_no is not None)
