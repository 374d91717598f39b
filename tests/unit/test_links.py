"""Links between items: their counting in bounded memory, what may be stored, and their ranking."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from common.errors import CorruptError, RefusedError
from common.evaluation.links import top_k_of_links
from common.evaluation.ranking import top_k
from common.models.artifact import Artifact
from common.models.base import FitOptions, TrainingData
from common.models.cooccurrence import Cooccurrence
from common.models.links import counting
from common.models.links.config import CooccurrenceConfig, Nearness
from common.models.links.counting import Steps, count_pairs, item_sums
from common.schemas.data import EventType, Interactions
from common.schemas.links import RECENT, ItemLinks, visit_weights
from common.schemas.pairs import MOST_OF_ONE, PairRule
from tests.shops import Event, checkerboard, interactions

FLAT = CooccurrenceConfig(window=3, nearness=Nearness.FLAT, backward=0.5)

visits = st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=7), min_size=1, max_size=8)


def steps_of(lists: list[list[int]], units: list[int] | None = None) -> Steps:
    lengths = [len(visit) for visit in lists]
    own = units or list(range(len(lists)))
    return Steps(
        items=np.array([item for visit in lists for item in visit], dtype=np.int32),
        sequences=np.repeat(np.arange(len(lists)), lengths),
        units=np.repeat(np.array(own, dtype=np.int64), lengths),
        weights=np.ones(sum(lengths), dtype=np.float32),
    )


def one_by_one(lists: list[list[int]], units: list[int]) -> dict[tuple[int, int], tuple[float, int]]:
    """Count and number of units of each pair within three steps, a link to the earlier item counting half."""
    counts: dict[tuple[int, int], float] = {}
    people: dict[tuple[int, int], set[int]] = {}
    for visit, unit in zip(lists, units, strict=True):
        for (at, item), (later, other) in combinations(enumerate(visit), 2):
            if later - at <= 3:
                for pair, count in (((item, other), 1.0), ((other, item), 0.5)):
                    counts[pair] = counts.get(pair, 0) + count
                    people.setdefault(pair, set()).add(unit)
    return {pair: (count, len(people[pair])) for pair, count in counts.items()}


def counted(steps: Steps, config: CooccurrenceConfig = FLAT) -> dict[tuple[int, int], tuple[float, int]]:
    found = {}
    for block in count_pairs(steps, config, 6):
        columns = (block.items, block.others, block.counts, block.units)
        for item, other, count, units in zip(*(column.tolist() for column in columns), strict=True):
            assert (item, other) not in found
            found[item, other] = (count, units)
    return found


@given(lists=visits, at_once=st.integers(1, 60), persons=st.integers(1, 3))
def test_pairs_are_counted_the_same_whatever_fits_into_memory(
    lists: list[list[int]], at_once: int, persons: int
) -> None:
    units = [number % persons for number in range(len(lists))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "PAIRS_AT_ONCE", at_once)
        found = counted(steps_of(lists, units))
    assert found == one_by_one(lists, units), "sums of halves are exact"


@given(lists=visits)
def test_the_sums_of_items_are_those_of_their_pairs(lists: list[list[int]]) -> None:
    leaving, arriving = item_sums(steps_of(lists), FLAT, 6)
    pairs = one_by_one(lists, list(range(len(lists))))
    for item in range(6):
        assert leaving[item] == pytest.approx(sum(count for (one, _), (count, _) in pairs.items() if one == item))
        assert arriving[item] == pytest.approx(sum(count for (_, other), (count, _) in pairs.items() if other == item))


def test_of_an_item_that_is_everywhere_the_latest_are_counted_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = [[0, 1]] * 30 + [[0, 2]] * 10
    monkeypatch.setattr(counting, "LATEST", 20)
    found = counted(steps_of(lists))
    assert found[0, 1][0] == found[0, 2][0] == 20, "of the last twenty visits of item 0, ten lead to each; twice that"
    assert found[2, 0][0] == 10 * 0.5


def fit(data: Interactions, people: int = 1, guests: bool = True, **params: object) -> Artifact:
    options = FitOptions(1, 1, int(data.ts[-1]), pairs=PairRule(people, guests))
    return Cooccurrence.from_params(params).fit(TrainingData(data), options)


def linked(artifact: Artifact, item_id: str) -> set[str]:
    assert artifact.links is not None
    span = artifact.links.span(artifact.item_ids.index(item_id))
    return {artifact.item_ids[item] for item in artifact.links.items[span]} if span else set()


def orders(people: Sequence[str | None], items: str, first: int = 0) -> list[Event]:
    return [Event(user, item, day=number, order=number) for number, user in enumerate(people, first) for item in items]


def test_a_pair_of_fewer_people_than_asked_for_is_no_link() -> None:
    data = interactions([*orders(["a", "b", "c"], "xy"), *orders(["d"] * 9, "xz", first=10)])
    assert linked(fit(data, people=3), "x") == {"y"}
    assert linked(fit(data, people=3), "z") == set()
    assert linked(fit(data, people=1), "x") == {"y", "z"}
    with pytest.raises(RefusedError, match="in the visits of 4 people"):
        fit(data, people=4)


def test_each_order_without_a_person_counts_as_one_of_its_own() -> None:
    data = interactions(orders([None, None, None], "xy"))
    assert linked(fit(data, people=3), "x") == {"y"}
    with pytest.raises(RefusedError):
        fit(data, people=4)


def test_read_strictly_all_orders_without_a_person_are_one_persons() -> None:
    data = interactions(orders([None] * 9 + ["a"], "xy"))
    assert linked(fit(data, people=2, guests=False), "x") == {"y"}
    with pytest.raises(RefusedError):
        fit(data, people=3, guests=False)


def test_one_person_weighs_no_more_than_twenty() -> None:
    people = [f"u{number}" for number in range(MOST_OF_ONE)]
    data = interactions([*orders(["bot"] * 600, "xy"), *orders(people, "xz", first=900)])
    links = fit(data, column_power=0.0).links
    assert links is not None
    assert np.ptp(links.weights[links.span(0) or slice(0)]) < 1e-6


def test_an_item_has_at_most_so_many_links_and_they_are_the_heaviest() -> None:
    data = interactions(
        Event(f"u{order}", item, day=order, order=order)
        for order in range(20)
        for item in ("a", *(f"b{other:02}" for other in range(order + 1)))
    )
    links = fit(data, neighbours=4, window=50, nearness="flat", column_power=0.0).links
    assert links is not None
    assert np.diff(links.offsets).max() == 4
    few = fit(data, neighbours=4, window=50, nearness="flat", column_power=0.0)
    assert linked(few, "a") == {"b00", "b01", "b02", "b03"}


def test_a_link_to_a_recent_event_weighs_more() -> None:
    data = interactions([*orders(["a"], "xy"), Event("b", "x", 60, order=9), Event("b", "z", 60, order=9)])
    links = fit(data, weighting={"half_life_days": 10.0}, column_power=0.0).links
    assert links is not None
    weights = links.weights[links.span(0) or slice(0)]
    assert weights[1] > 30 * weights[0]


def test_views_weigh_less_than_purchases_and_returns_nothing() -> None:
    kinds = {"y": EventType.PURCHASE, "v": EventType.VIEW, "r": EventType.RETURN}
    events = [
        Event(f"u{item}", one, order=n, kind=kind)
        for n, (item, kind) in enumerate(kinds.items())
        for one in ("x", item)
    ]
    artifact = fit(
        interactions([replace(event, kind=EventType.PURCHASE) if event.item == "x" else event for event in events]),
        column_power=0.0,
    )
    assert linked(artifact, "x") == {"y", "v"}


GOOD = ItemLinks(
    np.array([0, 2], np.int32), np.array([0, 2, 3]), np.array([1, 2, 0], np.int32), np.array([0.5, 0.25, 1], np.float32)
)
DAMAGES: dict[str, Callable[[ItemLinks], ItemLinks]] = {
    "do not end where": lambda links: replace(links, offsets=np.array([0, 2, 4])),
    "overlap": lambda links: replace(links, offsets=np.array([0, 4, 3])),
    "of ascending item numbers": lambda links: replace(links, nos=np.array([2, 0], np.int32)),
    "of ascending item numbers below 3": lambda links: replace(links, nos=np.array([0, 3], np.int32)),
    "have 2 weights": lambda links: replace(links, weights=links.weights[:2]),
    "lead to item numbers": lambda links: replace(links, items=np.array([1, 3, 0], np.int32)),
    "that are not below 3": lambda links: replace(links, items=np.array([-1, 2, 0], np.int32)),
    "of a row do not ascend": lambda links: replace(links, items=np.array([2, 1, 0], np.int32)),
    "of a row do not": lambda links: replace(links, items=np.array([1, 1, 0], np.int32)),
    "finite": lambda links: replace(links, weights=np.array([0.5, np.nan, 1], np.float32)),
    "above 0": lambda links: replace(links, weights=np.array([0.5, 0, 1], np.float32)),
}


@pytest.mark.parametrize("said", DAMAGES)
def test_damaged_links_are_told_by_what_is_wrong(said: str) -> None:
    assert GOOD.problem(3) is None
    assert said in (DAMAGES[said](GOOD).problem(3) or "")


def test_an_artifact_with_damaged_links_is_refused() -> None:
    artifact = fit(checkerboard(8))
    assert artifact.links is not None
    beyond = artifact.links.items + len(artifact.item_ids)
    with pytest.raises(CorruptError, match="artifact of cooccurrence: links lead to item numbers"):
        replace(artifact, encoder_arrays={**artifact.encoder_arrays, "link_items": beyond})
    with pytest.raises(CorruptError, match=r"link_weights must be \(n,\) float32"):
        replace(artifact, encoder_arrays={**artifact.encoder_arrays, "link_weights": beyond})


def test_the_weights_of_a_visit_halve_as_memory_says_and_end() -> None:
    weights = visit_weights(RECENT + 3, memory=2.0)
    assert weights[-1] == 1
    assert weights[-3] == pytest.approx(np.exp(-1))
    assert weights[:3].tolist() == [0, 0, 0]
    assert visit_weights(2, float("inf")).tolist() == [1, 1]


@given(
    scores=st.lists(
        st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0]), min_size=6, max_size=6), min_size=1, max_size=5
    ),
    seed=st.integers(0, 99),
)
def test_the_best_of_sparse_scores_are_those_of_dense_ones(scores: list[list[float]], seed: int) -> None:
    """Scores that are not above 0 are stored as well."""
    dense = np.array(scores, dtype=np.float32)
    relevant = csr_matrix(np.random.default_rng(seed).random(dense.shape) < 0.4)
    n, n_items = dense.shape
    stored = csr_matrix((dense.ravel(), np.tile(np.arange(n_items), n), np.arange(n + 1) * n_items), shape=dense.shape)
    items, hits = top_k_of_links(stored, relevant, 3)
    assert [items.dtype, hits.dtype] == [np.dtype(np.int32), np.dtype(np.bool_)]
    shown = np.where(dense > 0, dense, -np.inf).astype(np.float32)
    wanted_items, wanted_hits = top_k(shown, relevant, 3)
    assert items.tolist() == wanted_items.tolist()
    assert hits.tolist() == wanted_hits.tolist()
