"""The worker of a training: the same results as in this process, and an end whatever a library does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from common.config import Purchased
from common.errors import RefusedError, StopCause, Stopped
from common.evaluation.baselines.item_knn import ItemKNN
from common.evaluation.cases import Relevance
from common.evaluation.judge import PRIMARY, Judgement
from common.models.base import TrainingData
from common.models.registry import make
from common.usecases.train.evaluator import POPULAR, Candidate
from common.usecases.train.workbench import Bench, Order, Workbench
from common.usecases.train.worker.bench import RemoteBench
from common.usecases.train.worker.process import Worker, WorkerFailed
from tests.hanging_library import hang
from tests.processes import await_gone, gone
from tests.shops import Event, interactions
from tests.unit.test_comparison import als, two_tastes

ORDER = Order(validation_days=10, test_days=10, seed=1, threads=1)
DATA = TrainingData(two_tastes())
LONG_S = 300.0
HANG_S = 1.0


def quiet(step: int, steps: int) -> None:
    pass


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    with Worker(tmp_path, ORDER, time.monotonic() + LONG_S) as worker:
        worker.give(DATA)
        yield worker


def remote(worker: Worker) -> RemoteBench:
    return RemoteBench(worker, Workbench(DATA, ORDER))


def facts(bench: Bench) -> dict[str, object]:
    """What a bench finds out, all of it deterministic."""
    windows = bench.windows()
    assert windows is not None
    assert windows.test is not None
    popular = windows.validation.choose_window(Relevance.NEW)
    windows.validation.popular_days = windows.test.popular_days = 7
    trial = windows.validation.evaluate(als())
    decisions = windows.validation.decide(als(), Relevance.NEW)
    test = windows.test.evaluate(als(), served=decisions.served(Purchased.AUTO), keep=True)
    fitted, kept = bench.fit(als().model, quiet), bench.kept()
    assert kept is not None
    assert test.as_served is not None
    return {
        "windows": [windows.validation.window, windows.test.window],
        "popular": popular,
        "scores": [trial.judgement.metrics, test.judgement.metrics, test.as_served.metrics],
        "decisions": decisions,
        "newcomers": windows.test.newcomers(),
        "baseline": windows.test.evaluate_baseline(ItemKNN, time.monotonic() + LONG_S)[0].metrics,
        "vectors": [fitted.item_vectors.tolist(), kept.item_vectors.tolist()],
    }


def test_a_worker_finds_what_is_found_in_this_process(worker: Worker) -> None:
    assert facts(remote(worker)) == facts(Workbench(DATA, ORDER))


def test_what_is_refused_and_what_fails_is_told(worker: Worker) -> None:
    windows = remote(worker).windows()
    assert windows is not None
    with pytest.raises(RefusedError, match="als learned nothing"):
        windows.validation.evaluate(als(regularization=1e6))
    with pytest.raises(WorkerFailed, match=r"TypeError: .* unexpected keyword argument .unheard_of."):
        worker.run("windows", {"unheard_of": 1})


def test_progress_is_told_and_an_exception_of_the_listener_ends_the_job_and_not_the_worker(worker: Worker) -> None:
    windows = remote(worker).windows()
    assert windows is not None
    seen: list[int] = []

    def stop(step: int, judgement: Judgement) -> None:
        seen.append(step)
        raise ZeroDivisionError

    gru = Candidate(make("gru4rec", {"sequence_of": "person", "embedding_size": 4, "epochs": 3}), "default")
    before = worker.pid
    with pytest.raises(ZeroDivisionError):
        windows.validation.evaluate(gru, on_progress=stop)
    assert seen == [1]
    assert windows.validation.evaluate(POPULAR).candidate is POPULAR
    assert worker.pid == before


@pytest.mark.slow(lane="train")
@pytest.mark.parametrize("how", ["C", "busy"])
def test_a_fit_that_hangs_is_ended_at_its_deadline_and_the_next_one_works(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang(monkeypatch, tmp_path / "site", "als", how=how)
    with Worker(tmp_path, ORDER, time.monotonic() + LONG_S) as worker:
        worker.give(DATA)
        windows = remote(worker).windows()
        assert windows is not None
        first, began = worker.pid, time.monotonic()
        with pytest.raises(Stopped, match="it took longer than 1 s") as stopped:
            windows.validation.evaluate(als(), time.monotonic() + HANG_S)
        assert stopped.value.cause is StopCause.OUT_OF_TIME
        assert time.monotonic() - began < LONG_S / 2
        assert first is not None
        assert gone(first)
        assert windows.validation.evaluate(POPULAR).judgement.metrics


@pytest.mark.slow(lane="train")
@pytest.mark.parametrize(
    ("how", "cause", "words"),
    [
        ("no memory", StopCause.OUT_OF_MEMORY, "there was not enough memory for it"),
        ("too much memory", StopCause.OUT_OF_MEMORY, "killed .signal 9., as a machine or container does"),
        ("crash", StopCause.CRASHED, "its process crashed .signal 11."),
    ],
)
def test_a_fit_that_ends_its_process_says_how_and_the_next_one_works(
    how: str, cause: StopCause, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang(monkeypatch, tmp_path / "site", "als", how=how)
    with Worker(tmp_path, ORDER, time.monotonic() + LONG_S) as worker:
        worker.give(DATA)
        windows = remote(worker).windows()
        assert windows is not None
        with pytest.raises(Stopped, match=words) as stopped:
            windows.validation.evaluate(als())
        assert stopped.value.cause is cause
        assert windows.validation.evaluate(POPULAR).judgement.metrics


@pytest.mark.slow(lane="train")
def test_a_new_worker_goes_on_with_the_popular_that_was_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody new buys each day, since day 30 the new item: in 7 days it is first, in 28 the old one."""
    hang(monkeypatch, tmp_path / "site", "als", how="crash")
    known = [Event(f"u{day % 5}", f"i{day % 7}", day) for day in range(60)]
    data = interactions([*known, *(Event(f"n{day}", "old" if day < 30 else "new", day) for day in range(60))])
    with Worker(tmp_path, ORDER, time.monotonic() + LONG_S) as worker:
        worker.give(TrainingData(data))
        windows = remote(worker).windows()
        assert windows is not None
        usual = windows.validation.newcomers()
        windows.validation.popular_days = 7
        chosen = windows.validation.newcomers()
        assert chosen[PRIMARY] > usual[PRIMARY]
        with pytest.raises(Stopped):
            windows.validation.evaluate(als())
        assert windows.validation.newcomers() == chosen


def test_no_job_goes_on_after_the_last_deadline(worker: Worker) -> None:
    worker.ends = time.monotonic() - 1
    with pytest.raises(Stopped):
        remote(worker).windows()
    assert remote(worker).fit(POPULAR.model, quiet).family == "popular"


@pytest.mark.slow(lane="train")
def test_an_unfinished_artifact_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hang(monkeypatch, tmp_path / "site", "als", place="save", ended=1)
    with Worker(tmp_path, ORDER, time.monotonic() + LONG_S) as worker:
        worker.give(DATA)
        bench = remote(worker)
        windows = bench.windows()
        assert windows is not None
        windows.validation.decide(als(), Relevance.NEW)
        kept = bench.kept()
        with pytest.raises(Stopped):
            bench.fit(als().model, quiet, time.monotonic() + HANG_S)
        assert kept is not None
        again = bench.kept()
        assert again is not None
        np.testing.assert_array_equal(again.item_vectors, kept.item_vectors)


PARENT = """
import sys, time
from pathlib import Path
from common.usecases.train.worker.process import Worker
from tests.usecases.test_train_worker import DATA, ORDER, LONG_S, als, remote

with Worker(Path(sys.argv[1]), ORDER, time.monotonic() + LONG_S) as worker:
    worker.give(DATA)
    windows = remote(worker).windows()
    print(worker.pid, flush=True)
    windows.validation.evaluate(als())
"""


@pytest.mark.slow(lane="train")
def test_a_training_that_is_killed_takes_a_worker_that_hangs_with_it_and_leaves_no_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang(monkeypatch, tmp_path / "site", "als")
    (tmp_path / "work").mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", PARENT, str(tmp_path / "work")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    await_gone(worker, LONG_S)
    assert list((tmp_path / "work").iterdir()) == []
