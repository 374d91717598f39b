"""The measurements of one size."""

from __future__ import annotations

from dataclasses import dataclass, field

from infra.sizing.sizes import Size
from infra.sizing.watch import Cost, Held


@dataclass(frozen=True)
class Stage:
    """The cost of one stage. `longest_s` is the longest single call, for which a timeout must suffice."""

    cost: Cost
    longest_s: float


@dataclass(frozen=True)
class Serving:
    """The measurements of recommend. `start_s` is the time from the start of the process until it serves, with an empty
    cache; `restart_s` is the same with a filled cache. `median_ms` and `p99_ms` are the times of answers to one client;
    `held` is the memory afterwards."""

    start_s: float
    restart_s: float
    median_ms: float
    p99_ms: float
    held: Held


@dataclass
class Row:
    """All measurements of one size, filled as the stages end.

    `bucket` has the bytes by prefix, `bundle_bytes` the bytes that a pod of recommend fetches, `disk_bytes` those of
    object store and caches together. `problem` says why the measurement ended early, `beyond` which limits of
    template.yaml it exceeds."""

    size: Size
    stages: dict[str, Stage] = field(default_factory=dict)
    serving: Serving | None = None
    bucket: dict[str, int] = field(default_factory=dict)
    bundle_bytes: int | None = None
    disk_bytes: int | None = None
    problem: str | None = None
    beyond: list[str] = field(default_factory=list)
