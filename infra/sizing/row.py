"""What is measured of one size."""

from __future__ import annotations

from dataclasses import dataclass, field

from infra.sizing.sizes import Size
from infra.sizing.watch import Cost, Held


@dataclass(frozen=True)
class Stage:
    """`longest_s` is the longest single call, which a timeout has to hold."""

    cost: Cost
    longest_s: float


@dataclass(frozen=True)
class Serving:
    """`start_s`: from the start of the process until it serves, with the bundle fetched from the bucket; `restart_s`
    the same with the files in its cache. `median_ms` and `p99_ms` are those of one client that asks again and again;
    `held` is what the processes hold afterwards."""

    start_s: float
    restart_s: float
    median_ms: float
    p99_ms: float
    held: Held


@dataclass
class Row:
    """Filled as the stages end. `bucket` counts bytes by prefix; `bundle_bytes` is what a pod of recommend fetches;
    `disk_bytes` everything on this machine, object store and caches. `problem` says where the shop stopped, `beyond`
    what the limits of template.yaml would not have held."""

    size: Size
    stages: dict[str, Stage] = field(default_factory=dict)
    serving: Serving | None = None
    bucket: dict[str, int] = field(default_factory=dict)
    bundle_bytes: int | None = None
    disk_bytes: int | None = None
    problem: str | None = None
    beyond: list[str] = field(default_factory=list)
