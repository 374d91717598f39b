"""The evaluation's own parts, on files that a test can read at a glance."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from common.models.base import TrainingData
from common.models.registry import FAMILIES, make
from tests.eval.cold import evaluate_cold
from tests.eval.configs import read_configs
from tests.eval.files import lists_task, person_task, session_task
from tests.eval.judging import evaluate
from tests.eval.known import NoData, known_task
from tests.shops import Event, catalogue, interactions

ROOT = Path(__file__).parents[2]
ALS = {"factors": 4, "regularization": 0.1, "weighting": {"half_life_days": None}}


@pytest.fixture
def shelves(tmp_path: Path) -> tuple[Path, Path]:
    """Two shelves of five; each of 20 people has four of one, and test asks for the fifth."""
    train = [(user, item) for user in range(20) for item in range(10) if item % 2 == user % 2 and item != user % 10]
    test = [(user, user % 10) for user in range(20)]
    for name, pairs in (("train", train), ("test", test)):
        text = "".join(f"p{user},x{item}\n" for user, item in pairs)
        (tmp_path / f"{name}.csv").write_text("user_id,item_id\n" + text)
    return tmp_path / "train.csv", tmp_path / "test.csv"


def test_what_was_withheld_is_found_first_where_the_known_is_masked(shelves: tuple[Path, Path]) -> None:
    result = evaluate(person_task(*shelves, mask_train=True), "als", ALS, k=1, seed=1, threads=1)
    assert result.metrics == {"recall@1": 1.0, "ndcg@1": 1.0, "hit_rate@1": 1.0, "mrr@1": 1.0}
    unmasked = evaluate(person_task(*shelves, mask_train=False), "als", ALS, k=1, seed=1, threads=1)
    assert unmasked.metrics["recall@1"] < 0.5


def test_parquet_and_lists_say_the_same_as_csv(shelves: tuple[Path, Path], tmp_path: Path) -> None:
    expected = evaluate(person_task(*shelves, mask_train=True), "als", ALS, k=5, seed=1, threads=1).metrics
    for path in shelves:
        rows = [line.split(",") for line in path.read_text().split()[1:]]
        table = pyarrow.table({"user_id": [row[0] for row in rows], "item_id": [row[1] for row in rows]})
        pyarrow.parquet.write_table(table, path.with_suffix(".parquet"))
        path.with_suffix(".txt").write_text("\n".join(f"{user} {item}" for user, item in rows))
    parquet = person_task(*(path.with_suffix(".parquet") for path in shelves), mask_train=True)
    lists = lists_task(*(path.with_suffix(".txt") for path in shelves))
    for task in (parquet, lists):
        assert evaluate(task, "als", ALS, k=5, seed=1, threads=1).metrics == expected


def test_an_item_that_train_does_not_know_counts_as_missed(shelves: tuple[Path, Path]) -> None:
    with shelves[1].open("a") as file:
        file.write("p0,never_seen\n")
    result = evaluate(person_task(*shelves, mask_train=True), "als", ALS, k=5, seed=1, threads=1)
    assert result.metrics["recall@5"] == pytest.approx(19.5 / 20)


class TestSessions:
    @pytest.fixture
    def paths(self, tmp_path: Path) -> tuple[Path, Path]:
        (tmp_path / "train.txt").write_text("a b c\n" * 15 + "c b a\n" * 15)
        (tmp_path / "test.tsv").write_text("a b\tc\nc b\ta\nunheard\ta\n")
        return tmp_path / "train.txt", tmp_path / "test.tsv"

    def test_the_next_item_is_asked_for_and_nothing_masked(self, paths: tuple[Path, Path]) -> None:
        params = {"embedding_size": 8, "batch_size": 4, "n_sample": 4, "epochs": 30}
        result = evaluate(session_task(*paths), "gru4rec", params, k=2, seed=1, threads=1)
        assert result.metrics["hit_rate@2"] == pytest.approx(2 / 3)
        assert result.metrics["mrr@2"] == pytest.approx(2 / 3)

    def test_tuning_asks_about_the_last_sessions_only(self, paths: tuple[Path, Path]) -> None:
        inner = session_task(*paths).for_tuning(seed=0)
        assert inner.train.sessions.max() == 26
        assert len(inner.targets) == 3 * 2
        assert np.diff(inner.offsets).tolist() == [1, 2] * 3
        names = np.array(inner.train.item_ids)
        assert names[inner.items[:3]].tolist() == ["c", "c", "b"]
        assert names[inner.targets[:2]].tolist() == ["b", "a"]


def test_unseen_items_are_found_by_their_category_and_without_it_by_chance() -> None:
    """Even people buy tools and odd people toys, forty of each; a fifth of both has no events before the cut. Within
    the right category there is nothing to go by, so the AUC cannot reach 1."""
    kinds = {f"{kind} {number:02}": kind for kind in ("tool", "toy") for number in range(40)}
    names, rng = list(kinds), np.random.default_rng(3)
    events = interactions(
        Event(f"u{user:02}", names[40 * (user % 2) + int(item)], 80 * place / 30)
        for user in range(30)
        for place, item in enumerate(rng.permutation(40)[:30])
    )
    params = {"factors": 8, "epochs": 40, "people": "factors"}
    told, untold = (
        evaluate_cold(
            TrainingData(events, catalogue([(name, kind * is_told, "Roth", 1.0) for name, kind in kinds.items()])),
            "lightfm",
            params,
            seed=1,
            threads=1,
        ).metrics
        for is_told in (True, False)
    )
    assert told["cold_auc"] > 0.75
    assert untold["cold_auc"] == pytest.approx(0.5, abs=0.1)
    assert 0 < told["people"] <= 30
    assert told["warm_to_ids_only"] == told["warm_ndcg@10"] / told["ids_only_ndcg@10"]


def test_tuning_on_people_holds_out_a_part_of_train(shelves: tuple[Path, Path]) -> None:
    task = person_task(*shelves, mask_train=True)
    inner = task.for_tuning(seed=0)
    assert len(inner.train) + len(inner.test) == len(task.train)
    assert 0 < len(inner.test) < 0.3 * len(task.train)


def test_data_that_is_not_there_is_asked_for_by_name(tmp_path: Path) -> None:
    with pytest.raises(NoData, match="EVAL_DATA"):
        known_task("gowalla", tmp_path)


def test_kept_configurations_are_of_families_and_parameters_that_exist() -> None:
    configs = read_configs()
    assert configs
    for config in configs:
        assert config.model in FAMILIES
        make(config.model, config.params)


@pytest.mark.slow(lane="examples")
def test_the_command_tunes_prints_and_writes(shelves: tuple[Path, Path], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.eval", "--train", str(shelves[0]), "--test", str(shelves[1])]
    more = ["--models", json.dumps({"als": ALS}), "--k", "5", "--tune", "1", "--max-width", "16", "--seeds", "1,2"]
    environment = {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *more], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "recall@5" in done.stdout
    written = json.loads((tmp_path / "build/eval/own-als.json").read_text())
    assert [result["seed"] for result in written["results"]] == [1, 2]
    assert written["trials"]
    assert written["results"][0]["params"]["factors"] <= 16
