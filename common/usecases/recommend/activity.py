"""The activity in a shop's bucket, read from its listings, for the metrics of recommend, which always runs.

The metrics of the writers end with their processes: jobs end with each run, and functions scale to zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from common.bucket.keys import is_folder
from common.usecases.shared.context import Context
from common.usecases.shared.waiting import waiting_uploads


@dataclass(frozen=True)
class Activity:
    """Figures about a shop's bucket.

    last_runs: when a run of a function last ended with an outcome, by (function, outcome)
    oldest_upload_s: for how many seconds the oldest upload has waited, 0 if none waits
    quarantine_reports: number of reports in quarantine
    """

    last_runs: Mapping[tuple[str, str], datetime]
    oldest_upload_s: float
    quarantine_reports: int


def read_activity(ctx: Context) -> Activity:
    """The activity, by three listings, and by the store's document if there are uploads. Raises as the bucket does."""
    return Activity(_last_runs(ctx), _oldest_upload_s(ctx), _quarantine_reports(ctx))


def _last_runs(ctx: Context) -> dict[tuple[str, str], datetime]:
    ended = {}
    for info in ctx.bucket.list(ctx.keys.last_runs):
        if is_folder(info.key):
            continue
        function, _, outcome = info.key.removeprefix(ctx.keys.last_runs).partition("-")
        ended[function, outcome] = info.modified
    return ended


def _oldest_upload_s(ctx: Context) -> float:
    since = min((info.modified for info in waiting_uploads(ctx)), default=None)
    return 0.0 if since is None else max(0.0, (ctx.now() - since).total_seconds())


def _quarantine_reports(ctx: Context) -> int:
    return sum(info.key.endswith(".json") for info in ctx.bucket.list(ctx.keys.quarantine))
