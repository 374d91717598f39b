"""The worker's own program: it does one job after the other for the training that has started it."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

from common.errors import RefusedError
from common.evaluation.baselines.base import Baseline
from common.evaluation.cases import Relevance
from common.evaluation.judge import Judgement
from common.evaluation.popular_window import PopularWindow
from common.models.artifact import Artifact
from common.models.base import Model, ModelConfig
from common.usecases.train.evaluator import Candidate, Decisions, Evaluator, JudgedWindow, ServingSettings, Trial
from common.usecases.train.resource_usage import Usage
from common.usecases.train.workbench import Order, Workbench
from common.usecases.train.worker.channel import Channel
from common.usecases.train.worker.shared_data import shared

KEPT: Final = "kept"
FITTED: Final = "fitted"
"""The directories of the two artifacts that a worker leaves: see `Bench.kept` and `Bench.fit`."""

TELL_EVERY_S: Final = 0.2
_PR_SET_PDEATHSIG: Final = 1


class Reply(StrEnum):
    """What the worker says to its training: it is ready for jobs; a step is done; how the job has ended."""

    READY = "ready"
    STEP = "step"
    DONE = "done"
    REFUSED = "refused"
    NO_MEMORY = "no memory"
    FAILED = "failed"


class EndedByListener(Exception):
    """The training wants to know no more of this job."""


class AskedWindow(NamedTuple):
    """The window on which a job judges, and the days of popular, which people get whom a model does not know."""

    name: str
    popular_days: int


class Jobs:
    """What a worker does, a method for each job. `tell` is called with a step, and raises where the job shall end."""

    def __init__(self, bench: Workbench, directory: Path, tell: Callable[..., None]) -> None:
        self._bench = bench
        self._directory = directory
        self._tell = tell

    def windows(self, deadline: float) -> tuple[JudgedWindow, JudgedWindow | None] | None:  # noqa: ARG002
        found = self._bench.windows()
        return (found.validation.window, found.test.window if found.test else None) if found else None

    def choose_window(self, deadline: float, window: AskedWindow, relevance: Relevance) -> PopularWindow:
        return self._evaluator(window).choose_window(relevance, deadline)

    def evaluate(
        self,
        deadline: float,
        window: AskedWindow,
        candidate: Candidate,
        told: bool,
        served: ServingSettings | None,
        keep: bool,
    ) -> Trial:
        evaluator = self._evaluator(window)
        on_progress: Callable[[int, Judgement], None] | None = self._tell if told else None
        trial = evaluator.evaluate(candidate, deadline, on_progress, served, keep)
        self._save_kept(evaluator)
        return trial

    def decide(self, deadline: float, window: AskedWindow, candidate: Candidate, relevance: Relevance) -> Decisions:
        evaluator = self._evaluator(window)
        decisions = evaluator.decide(candidate, relevance, deadline)
        self._save_kept(evaluator)
        return decisions

    def newcomers(self, deadline: float, window: AskedWindow) -> dict[str, float]:  # noqa: ARG002
        return self._evaluator(window).newcomers()

    def baseline(self, deadline: float, window: AskedWindow, baseline: type[Baseline]) -> tuple[Judgement, Usage]:
        return self._evaluator(window).evaluate_baseline(baseline, deadline)

    def fit(self, deadline: float, model: Model[ModelConfig], until_s: int | None) -> None:
        self._bench.forget_windows()
        last = -TELL_EVERY_S

        def report(step: int, steps: int) -> None:
            nonlocal last
            if time.monotonic() - last >= TELL_EVERY_S:
                self._tell(step, steps)
                last = time.monotonic()

        _save(self._bench.fit(model, report, deadline, until_s), self._directory / FITTED)

    def _evaluator(self, window: AskedWindow) -> Evaluator:
        evaluator = self._bench.validation if window.name == "validation" else self._bench.test
        assert evaluator is not None
        evaluator.popular_days = window.popular_days
        return evaluator

    def _save_kept(self, evaluator: Evaluator) -> None:
        if evaluator.kept:
            _save(evaluator.kept.without_people(), self._directory / KEPT)
            evaluator.kept = None


def _save(artifact: Artifact, directory: Path) -> None:
    """Saves all of it or nothing, in place of an earlier one."""
    unfinished = directory.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    artifact.save(unfinished)
    shutil.rmtree(directory, ignore_errors=True)
    unfinished.rename(directory)


def main(end: int, data: int, parent: int) -> None:
    _end_with(parent)
    channel = Channel(socket.socket(fileno=end))

    def tell(*step: Any) -> None:
        channel.send((Reply.STEP, step))
        if not channel.receive():
            raise EndedByListener

    with suppress(ConnectionError):
        order, directory = channel.receive()
        channel.send((Reply.READY, None))
        bench: Workbench | None = None
        while True:
            job, arguments, deadline = channel.receive()
            bench = bench or _workbench(data, order)
            channel.send(_answer(getattr(Jobs(bench, directory, tell), job), deadline, arguments))


def _workbench(data: int, order: Order) -> Workbench:
    with os.fdopen(data, "rb", closefd=False) as file:
        return Workbench(shared(file), order)


def _answer(job: Callable[..., Any], deadline: float, arguments: dict[str, Any]) -> tuple[Reply, Any]:
    try:
        return Reply.DONE, job(deadline, **arguments)
    except RefusedError as refusal:
        return Reply.REFUSED, refusal
    except EndedByListener:
        return Reply.DONE, None
    except ConnectionError:
        raise
    except Exception as error:
        if is_lack_of_memory(error):
            return Reply.NO_MEMORY, "there was not enough memory for it"
        return Reply.FAILED, traceback.format_exc()


def is_lack_of_memory(error: Exception) -> bool:
    """torch says it by a RuntimeError."""
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "allocate memory" in str(error))


def _end_with(parent: int) -> None:
    """Has the kernel end this process as soon as the training's ends, even if that is killed and this one hangs.

    Ctrl-C in a terminal reaches both processes; the training decides then.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        # Where memory runs out, this process goes first, and not the training.
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")
    if os.getppid() != parent:
        sys.exit()
