"""A shop as time goes by: whatever is in its bucket has become older."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from common.testing.faults import FaultyBucket
from common.usecases.shared.context import Context


@dataclass
class LaterBucket(FaultyBucket):
    """A bucket some time after its objects were put."""

    by: timedelta = timedelta()

    def now(self) -> datetime:
        return self.inner.now() + self.by


def later(ctx: Context, by: timedelta) -> Context:
    """The shop after that time, by the clocks of the machine and of the store."""
    return replace(ctx, now=lambda: ctx.now() + by, bucket=LaterBucket(ctx.bucket, by=by))
