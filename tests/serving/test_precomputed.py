"""Precomputed answers equal those of `rank` under any deltas; where they would not, they are not used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.config import Purchased
from common.ids import UserKey
from common.schemas.data import F32, LayerContent
from common.schemas.documents import RepeatPurchases
from common.serving import bundle as bundle_module
from common.serving import selection
from common.serving.bundle import ServedBundle
from common.serving.layer import open_layer
from common.serving.precomputed import DEPTH, precomputed_items, precomputed_picks
from common.serving.purchased import with_purchased
from common.serving.ranking import Pick, RankingRequest, Rung, rank
from common.serving.rewrite import rewrite_without_people
from tests.bundles import Goods, History, describe, layer_content, model_info, open_layers

N, DIM, PEOPLE = 200, 6, 12
RANDOM = np.random.default_rng(4)
VECTORS = RANDOM.standard_normal((N, DIM)).astype(np.float32)
TASTES = RANDOM.standard_normal((PEOPLE, DIM)).astype(np.float32)
KEYS = [UserKey(bytes([1 + number]) * 16) for number in range(PEOPLE)]
GRAM = {"gram": (VECTORS.T @ VECTORS + np.eye(DIM)).astype(np.float32)}
DECISIONS: dict[str, RepeatPurchases | None] = {
    "not judged": None,
    "show": RepeatPurchases(decision="show"),
    "hide": RepeatPurchases(decision="hide"),
    "boost": RepeatPurchases(decision="boost", boost=2.0),
}


def base(with_vectors: bool = True, **goods: Any) -> LayerContent:
    """Everybody has bought five items and looked at one more."""
    histories = {
        key: History(
            RANDOM.permutation(N)[:6].tolist(), TASTES[number] if with_vectors else None, purchased=[True] * 5 + [False]
        )
        for number, key in enumerate(KEYS)
    }
    return layer_content(Goods(range(N), VECTORS, **goods), histories, GRAM, newest=np.arange(N, dtype=np.int32))


def delta(numbers: Sequence[int], vectors: F32, people: dict[UserKey, History] | None = None, **goods: Any) -> Any:
    return layer_content(Goods(numbers, vectors, **goods), people or {})


def ranked(bundle: ServedBundle, key: UserKey, n: int) -> list[Pick]:
    person = bundle.find_person(key)
    return rank(bundle, with_purchased(bundle, RankingRequest(n, person=person), Purchased.AUTO))


def precomputed_answer(bundle: ServedBundle, key: UserKey, n: int) -> list[Pick] | None:
    person = bundle.find_person(key)
    assert person is not None
    return precomputed_picks(bundle, person, n)


def assert_same(picks: list[Pick] | None, wanted: list[Pick]) -> None:
    """Scores to the last digit that an answer shows: BLAS sums up in another order where there are other rows."""
    assert picks is not None
    assert [pick._replace(score=None) for pick in picks] == [pick._replace(score=None) for pick in wanted]
    assert [pick.score for pick in picks] == pytest.approx([pick.score for pick in wanted], rel=1e-5)


@pytest.mark.parametrize("decision", DECISIONS)
@pytest.mark.parametrize("with_vectors", [True, False])
def test_it_equals_what_rank_gives(tmp_path: Path, decision: str, with_vectors: bool) -> None:
    bundle = open_layers([base(with_vectors)], tmp_path, precomputed=True, repeats=DECISIONS[decision])
    for key in KEYS:
        for n in (1, 10, DEPTH):
            assert_same(precomputed_answer(bundle, key, n), ranked(bundle, key, n))
        assert precomputed_answer(bundle, key, DEPTH + 1) is None
        person = bundle.find_person(key)
        assert person is not None
        assert precomputed_items(person) == [pick.item_no for pick in ranked(bundle, key, DEPTH)]


def used(bundle: ServedBundle) -> int:
    """The number of people with a usable precomputed answer; each equals what `rank` gives."""
    found = {key: precomputed_answer(bundle, key, 10) for key in KEYS}
    for key, picks in found.items():
        if picks is not None:
            assert_same(picks, ranked(bundle, key, 10))
    return sum(picks is not None for picks in found.values())


@pytest.mark.parametrize("with_vectors", [True, False])
def test_items_that_are_withdrawn_are_left_out(tmp_path: Path, with_vectors: bool) -> None:
    gone = list(range(0, N, 4))
    withdrawn = delta(gone, VECTORS[gone], available=[False] * len(gone))
    bundle = open_layers([base(with_vectors), withdrawn], tmp_path, precomputed=True)
    assert used(bundle) == PEOPLE
    assert not any(pick.item_no in gone for key in KEYS for pick in precomputed_answer(bundle, key, 10) or ())


def test_another_price_changes_nothing(tmp_path: Path) -> None:
    cheaper = delta(list(range(N)), VECTORS, prices=[1.0] * N)
    assert used(open_layers([base(), cheaper], tmp_path, precomputed=True)) == PEOPLE


@pytest.mark.parametrize("index", [True, False])
def test_new_items_that_nobody_wants_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: bool
) -> None:
    monkeypatch.setattr(selection, "EXACT_MAX", 50 if index else 1_000)
    dull = np.zeros((3, DIM), np.float32)
    bundle = open_layers([base(), delta([N, N + 1, N + 2], dull)], tmp_path, precomputed=True)
    assert bool(bundle.selections.available.index_parts) is index
    assert used(bundle) == PEOPLE


@pytest.mark.parametrize("with_vectors", [True, False])
def test_new_items_with_a_high_score_make_rank_necessary(tmp_path: Path, with_vectors: bool) -> None:
    """The new item is one person's best."""
    bundle = open_layers([base(with_vectors), delta([N], 9 * TASTES[:1])], tmp_path, precomputed=True)
    fallen = [key for key in KEYS if precomputed_answer(bundle, key, 10) is None]
    assert used(bundle) == PEOPLE - len(fallen)
    if with_vectors:
        assert KEYS[0] in fallen
    for key in KEYS:
        assert (key in fallen) or N not in {pick.item_no for pick in ranked(bundle, key, 10)}
    assert 0 < len(fallen) < PEOPLE


def test_items_that_are_available_again_or_have_a_new_vector_make_rank_necessary(tmp_path: Path) -> None:
    """Item 0 was not available, item 1 was dull."""
    vectors = VECTORS.copy()
    vectors[:2] = 0
    content = base(available=[False] + [True] * (N - 1))
    content.item_vectors[:2] = 0
    back = np.stack([9 * TASTES[0], 9 * TASTES[1]])
    content.item_vectors[0] = back[0]
    bundle = open_layers([content, delta([0, 1], back)], tmp_path, precomputed=True)
    used(bundle)
    for number in (0, 1):
        assert ranked(bundle, KEYS[number], 10)[0].item_no == number
        assert precomputed_answer(bundle, KEYS[number], 10) is None


def test_with_too_many_newer_items_no_precomputed_answer_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_module, "MANY_NEWER", 2)
    dull = np.zeros((3, DIM), np.float32)
    assert used(open_layers([base(), delta([N, N + 1, N + 2], dull)], tmp_path, precomputed=True)) == 0


def test_people_with_newer_purchases_have_no_precomputed_answer(tmp_path: Path) -> None:
    news = delta([], np.empty((0, DIM), np.float32), {KEYS[0]: History([7], TASTES[1])})
    bundle = open_layers([base(), news], tmp_path, precomputed=True)
    assert precomputed_answer(bundle, KEYS[0], 10) is None
    assert used(bundle) == PEOPLE - 1


def test_a_short_answer_is_left_to_rank(tmp_path: Path) -> None:
    """Six items are the person's own, and the other rungs fill the answer."""
    content = layer_content(Goods(range(6), VECTORS[:6]), {KEYS[0]: History([0], TASTES[0])}, GRAM)
    bundle = open_layers([content], tmp_path, precomputed=True)
    assert_same(precomputed_answer(bundle, KEYS[0], 5), ranked(bundle, KEYS[0], 5))
    assert {pick.rung for pick in ranked(bundle, KEYS[0], 5)} == {Rung.PERSONAL}
    assert precomputed_answer(bundle, KEYS[0], 6) is None


def test_rewriting_without_people_removes_their_answers(tmp_path: Path) -> None:
    bundle, paths = describe([base()], model_info(DIM), tmp_path, precomputed=True)
    ref = bundle.layers[0]
    gone = np.arange(PEOPLE) % 3 == 0
    directory = tmp_path / "without"
    directory.mkdir()
    made = rewrite_without_people(ref, lambda file: paths[file.key], gone, directory)
    before = open_layer(ref, lambda file: paths[file.key]).people
    kept = {name: path for name, path in made.files.items() if name.startswith("user_ahead_")}
    assert len(kept) == 4
    for number, row in enumerate(np.flatnonzero(~gone).tolist()):
        was = before.person(row).precomputed
        assert was is not None
        for name in was.precomputed._fields:
            column = getattr(was.precomputed, name)
            assert np.load(kept[f"user_ahead_{name}.npy"])[number].tolist() == column[row].tolist()
