"""Run records: the progress and the result of a function's run, as `runs/<id>.json`.

The end of a run is also put under `last-runs/`, by function and outcome, where one listing gives it to the metrics.
Records inform people (`recsys status`, an admin who looks for a file) and control nothing: a run whose record cannot be
written goes on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Literal

from common import logs
from common.errors import BucketUnavailable, CorruptError, RecsysError
from common.ids import new_id
from common.schemas.documents import RunRecord, RunState, Upload
from common.usecases.shared.context import Context
from common.usecases.shared.key_check import require_key

Function = Literal["ingest", "train", "update", "erase", "rollback"]

# A new step is written at once. Progress is written at most so often, because each write is a PUT.
SHOW_EVERY_S: Final = 1.0

log = logging.getLogger(__name__)


def start_run(ctx: Context, function: Function, upload: Upload | None = None, at_once: bool = True) -> RunLog:
    """Begins a run and writes its record: `at_once`, or with its first step.

    Raises `SettingError` with another pseudonym key than the bucket's, because a run writes data of people."""
    require_key(ctx)
    run = RunLog(ctx, _started(ctx, function, upload))
    if at_once:
        run.show()
    return run


def start_runs(ctx: Context, function: Function, uploads: Sequence[Upload]) -> list[RunLog]:
    """Begins a run for each of these uploads, which are worked on together and soon done.

    Each record is written when its run ends, and not before; `note_last_runs` puts what is under `last-runs/`. Raises
    as `start_run` does."""
    require_key(ctx)
    return [RunLog(ctx, _started(ctx, function, upload), shown=False) for upload in uploads]


def note_last_runs(ctx: Context, records: Sequence[RunRecord]) -> None:
    """Puts under `last-runs/` that these runs have ended, one object for each outcome."""
    for (function, state), run_id in {(run.function, run.state): run.run_id for run in records}.items():
        _put(ctx, ctx.keys.last_run(function, state.value), run_id.encode(), run_id)


def _started(ctx: Context, function: Function, upload: Upload | None) -> RunRecord:
    started_at = ctx.now()
    return RunRecord(
        run_id=new_id(started_at), function=function, state=RunState.RUNNING, started_at=started_at, upload=upload
    )


def _put(ctx: Context, key: str, body: bytes, run_id: str) -> None:
    try:
        ctx.bucket.put(key, body)
    except BucketUnavailable as error:
        logs.event(log, logging.WARNING, "run record not written", run_id=run_id, detail=error.message)


class RunLog:
    """The record of one run, which is kept up to date; where it is not `shown`, it is written at the end only.

    As a context manager it records an exception of the block as a failure and raises it on. All log lines of the block
    carry the run's id.
    """

    def __init__(self, ctx: Context, record: RunRecord, shown: bool = True) -> None:
        self._ctx = ctx
        self._is_shown = shown
        self._record = record
        self._bound = logs.bound(run_id=record.run_id)
        self._step_began = time.monotonic()
        self._shown = 0.0

    @property
    def record(self) -> RunRecord:
        return self._record

    def step(self, name: str, progress: float = 0.0, show: bool = True) -> None:
        """Sets the current step and the part of it that is done, from 0 to 1. A new step is written, unless `show` is
        false, as of one that takes less time than the write."""
        if name == self._record.step:
            self._update(progress=progress)
            if time.monotonic() - self._shown >= SHOW_EVERY_S:
                self.show()
            return
        self._update(timings_s=self.timings(), step=name, progress=progress)
        self._step_began = time.monotonic()
        if show:
            self.show()

    def note(
        self,
        *,
        counts: Mapping[str, int] | None = None,
        reasons: Mapping[str, int] | None = None,
        notices: Sequence[str] = (),
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Adds to the record. It is written with the next step or at the end."""
        record = self._record
        self._update(
            counts={**record.counts, **(counts or {})},
            reasons={**record.reasons, **(reasons or {})},
            notices=(*record.notices, *notices),
            details={**record.details, **(details or {})},
        )

    def finish(
        self,
        state: RunState = RunState.DONE,
        *,
        counts: Mapping[str, int] | None = None,
        reasons: Mapping[str, int] | None = None,
        notices: Sequence[str] = (),
        details: Mapping[str, Any] | None = None,
    ) -> RunRecord:
        """Adds to the record, ends the run in `state`, and returns the record."""
        self.note(counts=counts, reasons=reasons, notices=notices, details=details)
        return self._end(state, 1.0)

    def refuse(self, error: RecsysError) -> RunRecord:
        """Ends the run as refused and returns the record. The same call would be refused again."""
        self._update(error={"code": error.code, "message": error.message})
        return self._end(RunState.REFUSED, self._record.progress)

    def fail(self, error: BaseException) -> RunRecord:
        """Ends the run as failed and returns the record.

        Of an error outside the error tree only the type is recorded, because its text may hold data."""
        code, message = "internal", f"unexpected {type(error).__name__}; the log of the function has the details"
        if isinstance(error, RecsysError):
            code, message = error.code, error.message
        self._update(error={"code": code, "message": message})
        return self._end(RunState.FAILED, self._record.progress)

    def __enter__(self) -> RunLog:
        self._bound.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is not None and self._record.state is RunState.RUNNING:
                self.fail(error)
                self._distrust(error)
        finally:
            self._bound.__exit__(None, None, None)

    def _distrust(self, error: BaseException) -> None:
        """After damaged data, or an error of a library, the next run trusts no file of the cache that it has not read
        whole."""
        if isinstance(error, CorruptError) or (isinstance(error, Exception) and not isinstance(error, RecsysError)):
            self._ctx.cache.distrust(f"{self._record.function}: {type(error).__name__}")

    def _end(self, state: RunState, progress: float) -> RunRecord:
        self._update(state=state, step="", progress=progress, timings_s=self.timings(), finished_at=self._ctx.now())
        self._write()
        if self._is_shown:
            note_last_runs(self._ctx, [self._record])
        self._log()
        return self._record

    def _log(self) -> None:
        record = self._record
        figures: dict[str, Any] = {"state": record.state.value, "counts": record.counts, "timings_s": record.timings_s}
        logs.event(log, logging.INFO, "run", function=record.function, **figures, error=record.error)

    def timings(self) -> dict[str, float]:
        """The seconds of each step so far, the current one included."""
        timings = dict(self._record.timings_s)
        if self._record.step:
            spent = time.monotonic() - self._step_began
            timings[self._record.step] = round(timings.get(self._record.step, 0.0) + spent, 3)
        return timings

    def _update(self, **changes: Any) -> None:
        self._record = self._record.model_copy(update=changes)

    def show(self) -> None:
        """Writes the record as it is now."""
        if self._is_shown:
            self._write()

    def _write(self) -> None:
        self._shown = time.monotonic()
        run_id = self._record.run_id
        _put(self._ctx, self._ctx.keys.run(run_id), self._record.model_dump_json(indent=1).encode(), run_id)
