"""Processes that share a database share the search, as jobs on several machines do."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from common.tuning.best_trial import best_trial
from common.tuning.records import State, TrialRecord
from common.tuning.search import SearchPlan, search
from common.tuning.study import open_study, storage_at
from common.usecases.ingest.ingest import drain
from common.usecases.shared.context import Context
from tests import small_shop
from tests.e2e.postgres import Postgres
from tests.stored import served_document
from tests.unit.test_tuning import Hill, height

pytestmark = pytest.mark.slow(lane="search")

TRIALS = 16


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Postgres() as server:
        yield server.url


def take_part(url: str, worker: int) -> list[TrialRecord]:
    return search(
        [Hill],
        height,
        SearchPlan(
            name="shared",
            seed=worker,
            deadline=time.monotonic() + 120,
            max_width=256,
            storage_url=url,
            max_trials=TRIALS,
        ),
    )


def test_three_processes_search_together_and_choose_the_same(url: str) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        seen = pool.starmap(take_part, [(url, worker) for worker in range(3)])
    everything = take_part(url, 0)
    # Each process may have been in the middle of one when the last was counted.
    assert TRIALS <= len(everything) <= TRIALS + 3
    assert {record.state for record in everything} == {State.DONE}
    assert [record.number for record in everything] == list(range(len(everything)))
    assert all(len(records) >= TRIALS - 3 for records in seen)
    assert best_trial(everything) == best_trial(take_part(url, 1))
    assert everything[0].resampled


def test_what_was_enqueued_is_tried_once_by_all_together(url: str) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.starmap(take_part, [(url, worker) for worker in range(2)])
    starts = [record for record in take_part(url, 5) if record.params["x"] == 0.9]
    assert 1 <= len(starts) <= 3


def test_another_name_is_another_search(url: str) -> None:
    take_part(url, 0)
    with storage_at(url) as storage:
        assert open_study(storage, "other/hill", 1).trials == []


def test_two_trainings_share_one_search_and_publish_one_version(
    context: Context, environment: dict[str, str], tmp_path: Path
) -> None:
    """`recsys train` as the pods of infra/kubernetes/parallel-training run it."""
    context.bucket.put(f"{context.keys.incoming_items}items.csv", small_shop.write_items(tmp_path / "items.csv"))
    context.bucket.put(f"{context.keys.incoming_events}events.csv", small_shop.write_events(tmp_path / "events.csv"))
    drain(context)
    with Postgres() as server:
        shared = {"RECSYS_OPTUNA_STORAGE": server.url, "RECSYS_TUNE_TRIALS": str(TRIALS), "RECSYS_THREADS": "1"}
        processes = [start_training({**environment, **shared}, tmp_path / f"cache-{pod}") for pod in range(2)]
        runs = [end_of(process) for process in processes]
        with storage_at(server.url) as storage:
            [study] = optuna.get_all_study_summaries(storage)
    assert TRIALS <= study.n_trials <= TRIALS + 2
    document = served_document(context)
    assert {run["details"]["bundle_id"] for run in runs} == {document.bundle.bundle_id}
    assert document.history == ()
    [told] = [run for run in runs if any("was published first" in notice for notice in run["notices"])]
    assert told["run_id"] != document.bundle.model.version
    assert document.bundle.model.version in {run["run_id"] for run in runs}


def start_training(environment: dict[str, str], cache: Path) -> subprocess.Popen[str]:
    recsys = str(Path(sys.executable).with_name("recsys"))
    command = [recsys, "train", "--family", "als", "--budget-s", "240", "--json"]
    variables = {"PATH": os.environ["PATH"], "OPENBLAS_NUM_THREADS": "1"} | environment
    variables["RECSYS_CACHE_DIR"] = str(cache)
    return subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True)


def end_of(training: subprocess.Popen[str]) -> Any:
    answer, _ = training.communicate(timeout=300)
    assert training.returncode == 0, answer
    return json.loads(answer)
