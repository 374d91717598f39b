"""The CronJobs of template.yaml on one machine: each job's command runs at the times of its cron expression."""

from __future__ import annotations

import logging
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from infra.local.manifest import Job

log = logging.getLogger(__name__)

Start = Callable[[Job], "subprocess.Popen[bytes]"]


class Schedule:
    """The schedule of one job. A run is skipped if the run before it has not ended (`Forbid`)."""

    def __init__(self, job: Job, start: Start, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._job = job
        self._start = start
        self._now = now
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"schedule-{job.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def _run(self) -> None:
        for due in due_times(self._job, self._now()):
            if self._stopping.wait(max(0.0, (due - self._now()).total_seconds())):
                return
            if self._now() - due > timedelta(seconds=self._job.starting_deadline_s):
                continue  # the earlier run lasted past this time, or the machine slept
            log.info("%s starts", self._job.name)
            self._wait_for(self._start(self._job))

    def _wait_for(self, run: subprocess.Popen[bytes]) -> None:
        try:
            status = run.wait(timeout=self._job.deadline_s)
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()
            log.error("%s was ended after %d s", self._job.name, self._job.deadline_s)
        else:
            log.log(logging.ERROR if status else logging.INFO, "%s ended with status %d", self._job.name, status)


def due_times(job: Job, after: datetime) -> Iterator[datetime]:
    """The times after `after`, in UTC, at which `job` is due. Raises `cronsim.CronSimError` for a wrong expression."""
    for local in CronSim(job.schedule, after.astimezone(ZoneInfo(job.time_zone))):
        yield local.astimezone(UTC)
