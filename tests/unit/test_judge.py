from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from common.evaluation import ranking
from common.evaluation.cases import Cases, Relevance, make_cases
from common.evaluation.judge import Judgement, judge
from common.evaluation.queries import rows_of
from common.evaluation.ranking import blocks_of_scores, leads, top_k
from common.evaluation.split import temporal_split
from common.models.artifact import Artifact
from common.models.base import FitOptions, TrainingData
from common.models.registry import make
from common.schemas.data import F32, EventType, Interactions
from tests.shops import NOON, Event, interactions

ALL, NEW = Relevance.ALL, Relevance.NEW


def relevant(*rows: list[int], n_items: int) -> csr_matrix:
    dense = np.zeros((len(rows), n_items), dtype=np.bool_)
    for row, items in enumerate(rows):
        dense[row, items] = True
    return csr_matrix(dense)


class TestTopK:
    def test_items_come_best_first_with_their_hits(self) -> None:
        scores = np.array([[1, 3, 2, 0]], dtype=np.float32)
        items, hits = top_k(scores, relevant([2, 3], n_items=4), 3)
        assert items.tolist() == [[1, 2, 0]]
        assert hits.tolist() == [[False, True, False]]
        assert (items.dtype, hits.dtype) == (np.dtype(np.int32), np.dtype(np.bool_))

    def test_a_tie_counts_against_the_model_even_across_the_last_place(self) -> None:
        scores = np.array([[1, 1, 1, 1, 5]], dtype=np.float32)
        items, hits = top_k(scores, relevant([0, 1], n_items=5), 3)
        assert items.tolist() == [[4, 2, 3]]
        assert not hits.any()

    def test_what_may_not_be_shown_leaves_empty_places(self) -> None:
        scores = np.array([[-np.inf, 2, -np.inf]], dtype=np.float32)
        items, hits = top_k(scores, relevant([0, 1], n_items=3), 5)
        assert items.tolist() == [[1, -1, -1, -1, -1]]
        assert hits.tolist() == [[True, False, False, False, False]]

    def test_it_agrees_with_a_full_sort(self) -> None:
        rng = np.random.default_rng(5)
        scores = rng.integers(0, 40, (20, 3000)).astype(np.float32)
        scores[rng.random(scores.shape) < 0.3] = -np.inf
        bought = csr_matrix(rng.random(scores.shape) < 0.2)
        _, hits = top_k(scores, bought, 20)
        for row, (line, owned) in enumerate(zip(scores, bought.toarray(), strict=True)):
            best = sorted(zip(-line, owned, strict=True))[:20]
            assert hits[row].tolist() == [hit for _, hit in best]


def test_blocks_cover_every_person_and_leave_unknown_items_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "BLOCK_BYTES", 4 * 5 * 2)
    queries, vectors = np.eye(5, 3, dtype=np.float32), np.eye(3, dtype=np.float32)
    blocks = list(blocks_of_scores(queries, vectors, np.array([4, 0, 2]), n_items=5))
    assert [rows for rows, _ in blocks] == [slice(0, 2), slice(2, 4), slice(4, 5)]
    scores = np.concatenate([block for _, block in blocks])
    assert np.isneginf(scores[:, [1, 3]]).all()
    np.testing.assert_array_equal(scores[:, [4, 0, 2]], queries)


def test_a_lead_is_the_best_score_less_the_mean_of_what_the_model_knows() -> None:
    scores = np.array([[1, 5, 3, -np.inf], [-np.inf, -np.inf, 2, -np.inf]], dtype=np.float32)
    assert leads(scores).tolist() == [2, 0]
    assert leads(scores.astype(np.float64)).dtype == np.float32
    assert np.isneginf(leads(np.full((1, 3), -np.inf, dtype=np.float32)))


def test_a_catalogue_that_fills_a_block_is_scored_for_one_person_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "BLOCK_BYTES", 1)
    blocks = list(blocks_of_scores(np.eye(3, dtype=np.float32), np.eye(3, dtype=np.float32), np.arange(3), n_items=3))
    assert [rows for rows, _ in blocks] == [slice(0, 1), slice(1, 2), slice(2, 3)]
    assert {block.dtype for _, block in blocks} == {np.dtype(np.float32)}


def test_rows_of_keys_that_differ_in_one_half_or_end_in_zeros() -> None:
    keys = np.array([[0, 5], [1, 0], [1, 2**63], [2**63, 1]], dtype=np.uint64)
    wanted = np.array([[2**63, 1], [1, 1], [1, 2**63], [0, 0], [1, 0], [2**64 - 1, 0]], dtype=np.uint64)
    assert rows_of(keys, wanted).tolist() == [3, -1, 2, -1, 1, -1]
    assert rows_of(keys[:0], wanted[:1]).tolist() == [-1]


PAST = [Event("a", "w"), Event("a", "x"), Event("b", "w"), Event("c", "z", kind=EventType.VIEW), Event(None, "w")]
FUTURE = [
    Event("a", "w", 9),
    Event("a", "y", 9),
    Event("b", "w", 9),
    Event("c", "cold", 9),
    Event("d", "w", 9),
    Event("c", "x", 9, EventType.VIEW),
    Event(None, "x", 9),
    Event("x", "w", 10, EventType.RETURN),
]


@pytest.fixture
def data() -> Interactions:
    return interactions(PAST + FUTURE, items=["y"])


@pytest.fixture
def cases(data: Interactions) -> Cases:
    split = temporal_split(data, validation_days=2, test_days=0)
    assert split is not None
    return make_cases(split.validation, seed=1)


def test_cases_are_known_people_who_bought(cases: Cases) -> None:
    ids = cases.fold.past.item_ids
    bought = [[ids[item] for item in row.indices] for row in cases.relevant(ALL)]
    unseen = [[ids[item] for item in row.indices] for row in cases.relevant(NEW)]
    assert bought == [["w", "y"], ["w"], ["cold"]]
    assert unseen == [["y"], [], ["cold"]]
    assert cases.newcomers == 1
    assert cases.buyers[ids.index("w")] == 2
    assert (cases.n_users, cases.n_known) == (3, 3)


def constant(_vectors: F32, _weights: F32, _arrays: object, _params: object) -> F32:
    return np.ones(1, dtype=np.float32)


def judged(artifact: Artifact, cases: Cases) -> Judgement:
    popular = make("popular").fit(TrainingData(cases.fold.past), FitOptions(1, 1, NOON))
    return judge(artifact, cases, constant, popular)


def test_popular_is_judged_as_worked_by_hand(cases: Cases) -> None:
    """Popular knows w (3 events), x (1) and z (a view). It shows w x z to all, without what they own for NEW."""
    popular = make("popular", {"weighting": {"half_life_days": None}})
    judgement = judged(popular.fit(TrainingData(cases.fold.past), FitOptions(1, 1, NOON)), cases)
    two_places = 1 + 1 / np.log2(3)
    np.testing.assert_allclose(judgement.primary[ALL], [1 / two_places, 1, 0])
    np.testing.assert_allclose(judgement.primary[NEW], [0, 0])
    assert judgement.metrics[ALL]["people"] == 3
    assert judgement.metrics[NEW]["people"] == 2
    assert judgement.metrics[ALL]["recall@10"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert judgement.metrics[ALL]["coverage@10"] == 1


def test_a_person_unknown_to_the_model_gets_the_popular_list(cases: Cases) -> None:
    """The model ranks x first for a, and has no vector for b and c."""
    artifact = Artifact(
        family="als",
        params={"weighting": {}},
        item_ids=("w", "x"),
        item_vectors=np.array([[1], [2]], dtype=np.float32),
        user_keys=cases.user_keys[:1],
        user_vectors=np.ones((1, 1), dtype=np.float32),
        encoder="zeros",
    )
    popular = make("popular").fit(TrainingData(cases.fold.past), FitOptions(1, 1, NOON))
    judgement = judge(artifact, cases, lambda *_: np.zeros(1, dtype=np.float32), popular)
    at_rank_two = 1 / np.log2(3)
    np.testing.assert_allclose(judgement.primary[ALL], [at_rank_two / (1 + at_rank_two), 1, 0])


def test_without_purchases_views_are_what_is_guessed() -> None:
    views = [Event(user, item, day, EventType.VIEW) for user in "ab" for item in "xy" for day in (0, 9)]
    split = temporal_split(interactions(views), 3, 0)
    assert split is not None
    assert make_cases(split.validation, seed=1).relevant(ALL).nnz == 4


@pytest.mark.parametrize("bought_on", [0, 9])
def test_one_purchase_on_either_side_of_the_cut_is_enough_for_purchases_to_count(bought_on: int) -> None:
    views = [Event(user, item, day, EventType.VIEW) for user in "ab" for item in "xy" for day in (0, 9)]
    split = temporal_split(interactions([*views, Event("a", "x", bought_on)]), 3, 0)
    assert split is not None
    assert make_cases(split.validation, seed=1).relevant(ALL).nnz == (1 if bought_on else 0)


def test_relevant_items_are_a_mask(cases: Cases) -> None:
    assert [cases.relevant(relevance).dtype for relevance in (ALL, NEW)] == [np.dtype(np.bool_)] * 2


def test_more_people_than_can_be_judged_are_sampled_by_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.evaluation.cases.MAX_PEOPLE", 20)
    events = [Event(f"u{user}", "x", day) for user in range(30) for day in (0, 9)]
    split = temporal_split(interactions(events), 3, 0)
    assert split is not None
    first, again, other = (make_cases(split.validation, seed).user_keys for seed in (1, 1, 2))
    assert len({tuple(key) for key in first.tolist()}) == 20
    assert first.tolist() == again.tolist() != other.tolist()


def test_newcomers_are_cases_of_their_own(data: Interactions) -> None:
    split = temporal_split(data, validation_days=2, test_days=0)
    assert split is not None
    newcomers = make_cases(split.validation, seed=1, newcomers=True)
    assert len(newcomers.user_keys) == 1
    assert newcomers.owned.nnz == 0
    assert newcomers.bought.nnz == 1


def test_cold_people_and_cold_items_are_told_apart(cases: Cases) -> None:
    """All three have few items. Only a and c bought items without an event before the cut, y and cold; the
    model knows y from the catalogue, as it does an item without any event, and shows it to everybody."""
    artifact = Artifact(
        family="als",
        params={"weighting": {}},
        item_ids=("nobody has bought this", "w", "y"),
        item_vectors=np.array([[9], [1], [2]], dtype=np.float32),
        user_keys=cases.user_keys,
        user_vectors=np.ones((3, 1), dtype=np.float32),
        encoder="zeros",
    )
    judgement = judged(artifact, cases)
    at_rank_two = 1 / np.log2(3)
    assert judgement.cold["people"]["people"] == 3
    assert judgement.cold["people"]["ndcg@10"] == pytest.approx((1 + at_rank_two + 0) / 3)
    assert judgement.cold["items"] == {"recall@20": 0.5, "people": 2}
