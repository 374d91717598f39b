"""What every model family promises, whatever library is behind it. A family is found through the registry."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import RefusedError
from common.evaluation.links import scores_of_links
from common.models.artifact import Artifact
from common.models.base import FitOptions, LearnsFrom, TrainingData
from common.models.matrix import user_items
from common.models.registry import FAMILIES, make
from common.schemas.data import DAY_S, F32, I32, NO_USER, Catalogue, EventType, Interactions, Weighting
from common.serving.encoders import ENCODERS
from tests.contract.library_scores import LIBRARY_SCORES, OWN_PEOPLE, SMALL
from tests.shops import NOON, TINY, Event, catalogue, checkerboard, interactions

KNOWS_NOBODY = {"popular": "everybody gets the same list"}
NOTHING_RANDOM = {"popular": "counting needs no seed", "cooccurrence": "counting needs no seed"}

families = pytest.mark.parametrize("family", FAMILIES)


def fit(
    family: str, data: Interactions, *, items: Catalogue | None = None, seed: int = 1, threads: int = 1, **params: Any
) -> Artifact:
    now_s = int(data.ts[-1]) if len(data) else NOON
    return make(family, SMALL[family] | params).fit(TrainingData(data, items), FitOptions(seed, threads, now_s))


def query(artifact: Artifact, vectors: F32, weights: F32) -> F32:
    return ENCODERS[artifact.encoder](vectors, weights, artifact.encoder_arrays, artifact.encoder_params)


def answer(artifact: Artifact, rows: I32, weights: F32) -> F32:
    """(n_items,) scores for the items `rows`, oldest first."""
    if artifact.links is None:
        return artifact.item_vectors @ query(artifact, artifact.item_vectors[rows], weights)
    visit = np.array([0, len(rows)])
    ((_, found),) = scores_of_links(artifact, visit, rows)
    return np.asarray(found.toarray()[0])


def scores(artifact: Artifact, data: Interactions) -> F32:
    """(n_users, n_items) of the artifact's people and items, by its stored vectors or else by its encoder."""
    if artifact.links is not None:
        return recomputed(artifact, data)
    if len(artifact.user_vectors):
        return artifact.user_vectors @ artifact.item_vectors.T
    return recomputed(artifact, data)


def recomputed(artifact: Artifact, data: Interactions) -> F32:
    """(n_users, n_items): the answer to each person's whole history, oldest first."""
    cells = user_items(data, Weighting.model_validate(artifact.params["weighting"]), int(data.ts[-1])).cells
    return np.stack([_recomputed(artifact, data, user, row) for user, row in enumerate(cells)])


def _recomputed(artifact: Artifact, data: Interactions, user: int, row: Any) -> F32:
    """`row` (1, n_items) of everybody's items, where every person and every item of the data has some."""
    last_event = {item: event for event, item in enumerate(data.items) if data.users[event] == user}
    order = np.argsort([last_event[item] for item in row.indices])
    return answer(artifact, row.indices[order], row.data[order])


@families
class TestContract:
    def test_the_withheld_item_of_a_checkerboard_comes_first(self, family: str) -> None:
        if family in KNOWS_NOBODY:
            pytest.skip(KNOWS_NOBODY[family])
        data = checkerboard(20)
        found = scores(fit(family, data), data)
        found[data.users, data.items] = -np.inf
        assert found.argmax(axis=1).tolist() == list(range(20))

    def test_scores_are_the_librarys_own_before_and_after_a_round_trip(self, family: str, tmp_path: Path) -> None:
        data = checkerboard(12)
        artifact = fit(family, data, **OWN_PEOPLE.get(family, {}))
        artifact.save(tmp_path / "model")
        expected = LIBRARY_SCORES[family](data)
        for version in (artifact, Artifact.load(tmp_path / "model")):
            np.testing.assert_allclose(scores(version, data), expected, rtol=1e-4, atol=1e-5)

    def test_a_round_trip_keeps_everything(self, family: str, tmp_path: Path) -> None:
        artifact = fit(family, checkerboard(8))
        artifact.save(tmp_path)
        loaded = Artifact.load(tmp_path)
        for name in ("family", "params", "item_ids", "encoder", "encoder_params"):
            assert getattr(loaded, name) == getattr(artifact, name)
        for name, array in arrays(artifact).items():
            np.testing.assert_array_equal(arrays(loaded)[name], array)
        assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".npy"}

    def test_arrays_are_read_only_contiguous_float32_and_finite(self, family: str) -> None:
        artifact = fit(family, checkerboard(8))
        assert artifact.item_vectors.dtype == artifact.user_vectors.dtype == np.float32
        for array in arrays(artifact).values():
            assert array.flags.c_contiguous
            assert not array.flags.writeable
            assert np.isfinite(array).all()

    def test_params_make_the_same_model_again(self, family: str) -> None:
        artifact = fit(family, checkerboard(8))
        assert artifact.family == family
        assert make(family, json.loads(json.dumps(artifact.params))).config == make(family, SMALL[family]).config

    def test_people_and_items_are_sorted(self, family: str) -> None:
        artifact = fit(family, checkerboard(8))
        keys = [tuple(key) for key in artifact.user_keys.tolist()]
        assert keys == sorted(set(keys))
        assert list(artifact.item_ids) == sorted(set(artifact.item_ids))

    def test_a_basket_is_answered_in_kind_if_sessions_are_declared(self, family: str) -> None:
        artifact = fit(family, checkerboard(20))
        basket = [artifact.item_ids.index(item) for item in ("i002", "i004")]
        found = answer(artifact, np.array(basket, dtype=np.int32), np.ones(2, dtype=np.float32))
        found[basket] = -np.inf
        even = [int(artifact.item_ids[item][1:]) % 2 == 0 for item in np.argsort(-found)[:8]]
        assert all(even) == FAMILIES[family].capabilities.sessions

    def test_a_person_can_be_recomputed_from_the_history_if_incremental_is_declared(self, family: str) -> None:
        data = shop_with_everything()
        artifact = fit(family, data)
        same = np.allclose(scores(artifact, data), recomputed(artifact, data), atol=1e-4)
        assert same == FAMILIES[family].capabilities.incremental

    def test_an_item_without_events_is_known_if_new_items_are_declared(self, family: str) -> None:
        data = interactions([Event(u, i) for u in "abcd" for i in "wxyz" if u + i != "aw"], items=["never_sold"])
        rows = [(item, "even" if item in "wy" else "odd", "brand", 1.0) for item in data.item_ids]
        artifact = fit(family, data, items=catalogue(rows))
        known = "never_sold" in artifact.item_ids
        assert known == FAMILIES[family].capabilities.new_items
        assert not known or artifact.item_vectors[artifact.item_ids.index("never_sold")].any()

    def test_the_catalogue_changes_what_is_learned_if_that_is_declared(self, family: str) -> None:
        data = checkerboard(8)
        rows = [(item, "even" if number % 2 else "odd", "brand", 1.0) for number, item in enumerate(data.item_ids)]
        told, untold = fit(family, data, items=catalogue(rows)), fit(family, data)
        changed = not np.array_equal(told.item_vectors, untold.item_vectors)
        assert changed == (LearnsFrom.CATALOGUE in FAMILIES[family].capabilities.learns_from)

    def test_a_seed_and_threads_give_the_same_arrays_if_deterministic_is_declared(self, family: str) -> None:
        data = shop_with_everything()
        first = arrays(fit(family, data, seed=7, threads=2))
        again = (arrays(fit(family, data, seed=7, threads=2)) for _ in range(3))
        same = all(np.array_equal(first[name], other[name]) for other in again for name in first)
        assert same == FAMILIES[family].capabilities.deterministic

    def test_another_seed_gives_another_model(self, family: str) -> None:
        if family in NOTHING_RANDOM:
            pytest.skip(NOTHING_RANDOM[family])
        first, second = (fit(family, checkerboard(12), seed=seed) for seed in (1, 2))
        assert not np.array_equal(first.item_vectors, second.item_vectors)

    @pytest.mark.parametrize("shop", TINY)
    def test_a_tiny_shop_is_learned_or_refused_with_a_reason(self, family: str, shop: str) -> None:
        try:
            artifact = fit(family, TINY[shop])
        except RefusedError as refusal:
            assert len(refusal.message) > 30  # noqa: PT017
        else:
            assert len(artifact.item_ids) > 0

    def test_events_without_consent_leave_no_person(self, family: str) -> None:
        data = checkerboard(8)
        anonymous = np.where(data.users < 3, NO_USER, data.users).astype(np.int32)
        artifact = fit(family, replace(data, users=anonymous))
        assert artifact.user_keys.tolist() in ([], data.user_keys[3:].tolist())

    def test_recency_is_counted_from_the_given_moment(self, family: str) -> None:
        data = shop_with_everything()
        model = make(family, SMALL[family] | {"weighting": {"half_life_days": 1.0}})
        artifact = model.fit(TrainingData(data), FitOptions(1, 1, int(data.ts[-1]) + 2 * DAY_S))
        assert artifact.params["weighting"]["half_life_days"] == 1.0
        assert np.isfinite(artifact.item_vectors).all()

    def test_progress_is_reported_to_the_end(self, family: str) -> None:
        reports: list[tuple[int, int]] = []
        options = FitOptions(1, 1, NOON, lambda step, steps: reports.append((step, steps)))
        make(family, SMALL[family]).fit(TrainingData(checkerboard(8)), options)
        steps = [step for step, _ in reports]
        assert steps == sorted(set(steps))
        assert reports[-1] == (reports[0][1],) * 2


def test_every_family_is_held_against_its_library() -> None:
    assert set(LIBRARY_SCORES) == set(SMALL) == set(FAMILIES)


def arrays(artifact: Artifact) -> dict[str, np.ndarray]:
    columns = {name: getattr(artifact, name) for name in ("item_vectors", "user_keys", "user_vectors")}
    return columns | dict(artifact.encoder_arrays)


def shop_with_everything() -> Interactions:
    """60 people, 40 items, repeats, quantities and all kinds of event over 90 days."""
    rng = np.random.default_rng(3)
    kinds = rng.choice(["purchase", "view", "cart", "return"], 1500, p=[0.6, 0.25, 0.1, 0.05])

    def event(n: int, kind: str) -> Event:
        user, item = f"u{rng.integers(60):02}", f"i{int(40 * rng.random() ** 2):02}"
        return Event(user, item, 90 * n / 1500, EventType(kind), int(rng.integers(1, 5)))

    return interactions(event(n, kind) for n, kind in enumerate(kinds))
