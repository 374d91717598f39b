from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from infra.local.manifest import Container, Job, read_manifest
from infra.local.schedule import Schedule, due_times

DEADLINE_S = 10.0


def job(schedule: str, time_zone: str = "Europe/Berlin") -> Job:
    return Job("job", Container("", (), {}, {}), schedule, time_zone, starting_deadline_s=60, deadline_s=60)


def test_times_are_those_of_the_zone_across_the_change_to_winter_time() -> None:
    before = datetime(2026, 10, 24, 12, tzinfo=UTC)
    times = list(itertools.islice(due_times(job("30 3 * * *"), before), 2))
    assert times == [datetime(2026, 10, 25, 2, 30, tzinfo=UTC), datetime(2026, 10, 26, 2, 30, tzinfo=UTC)]


@pytest.mark.parametrize("job", read_manifest().jobs, ids=lambda job: job.name)
def test_every_schedule_of_the_template_is_understood(job: Job) -> None:
    assert next(due_times(job, datetime.now(UTC))) > datetime.now(UTC)


class Clock:
    """A time that stands at `moments[n]` when asked for the n-th time, and at the last one after that."""

    def __init__(self, *moments: datetime) -> None:
        self._moments = list(moments)

    def __call__(self) -> datetime:
        return self._moments.pop(0) if len(self._moments) > 1 else self._moments[0]


def test_a_due_job_runs_and_one_that_is_long_past_does_not() -> None:
    start = datetime(2026, 11, 23, 1, 59, tzinfo=UTC)
    late, due = start + timedelta(hours=1, minutes=5), start + timedelta(hours=2, minutes=1)
    # Due at 2:00, looked at when it is 3:04; then due at 3:00, the same; then due at 4:00, looked at in time.
    clock = Clock(start, late, late, late, late, due)
    started: list[datetime] = []
    ran = threading.Event()

    def run(_job: Job) -> subprocess.Popen[bytes]:
        started.append(clock())
        ran.set()
        schedule.stop()
        return subprocess.Popen([sys.executable, "-c", ""])

    schedule = Schedule(job("0 * * * *", "UTC"), run, clock)
    schedule.start()
    assert ran.wait(DEADLINE_S)
    assert started == [due]
