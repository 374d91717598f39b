"""What the scheduled sweep does: take in what no event announced, and remove files that nothing refers to."""

from __future__ import annotations

from dataclasses import dataclass

from common.schemas.documents import RunRecord
from common.usecases.context import Context
from common.usecases.garbage import collect_garbage
from common.usecases.ingest import drain
from common.usecases.update import update


@dataclass(frozen=True)
class SweepReport:
    """`runs` of ingest and update, and the keys that were deleted."""

    runs: tuple[RunRecord, ...]
    deleted: tuple[str, ...]


def sweep(ctx: Context) -> SweepReport:
    runs = (*drain(ctx), update(ctx))
    return SweepReport(runs=runs, deleted=collect_garbage(ctx))
