"""The limits for a size: those of template.yaml, and this machine's memory and disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Final

import yaml

from infra.local.manifest import TEMPLATE, Manifest
from infra.sizing.row import Row
from infra.sizing.sizes import Size

GB: Final = 1e9
_UNITS: Final = {"Mi": 1 << 20, "Gi": 1 << 30}
RUNS_IN: Final = {
    "ingest": ("ingest",),
    "train": ("train-nightly", "train"),
    "ingest of 1,000": ("ingest",),
    "update of 1,000": ("update",),
}
"""The functions and jobs of template.yaml that run each stage. Both a job and a function train."""


def memory_limits() -> dict[str, int]:
    """The memory limits in bytes, by function and job."""
    documents = [document for document in yaml.safe_load_all(TEMPLATE.read_text()) if document]
    return {
        document["metadata"]["name"]: _bytes(_container(document)["resources"]["limits"]["memory"])
        for document in documents
        if document["kind"] in ("Service", "CronJob")
    }


def beyond(row: Row, manifest: Manifest) -> list[str]:
    """Describes which limits of the deployment the row exceeds, one sentence each."""
    memory = memory_limits()
    seconds: dict[str, float] = {function.name: function.timeout_s for function in manifest.functions}
    seconds |= {job.name: job.deadline_s for job in manifest.jobs}
    stages = [(name, part, stage) for name, stage in row.stages.items() for part in RUNS_IN[name]]
    held = [(name, part, stage.cost.own_bytes) for name, part, stage in stages]
    held += [("recommend", "recommend", row.serving.held.own_bytes)] if row.serving else []
    return [
        f"{name} held {own / GB:.1f} GB, and `{part}` may hold {memory[part] / GB:.1f}"
        for name, part, own in held
        if own > memory[part]
    ] + [
        f"{name} took {stage.longest_s:.0f} s, and `{part}` may take {seconds[part]:.0f}"
        for name, part, stage in stages
        if stage.longest_s > seconds[part]
    ]


def no_room(before: Row | None, size: Size, directory: Path) -> str | None:
    """The reason why `size` does not fit on this machine, extrapolated from the row before; None if it fits."""
    if before is None or before.disk_bytes is None:
        return None
    times = size.events / before.size.events
    peak = times * max(stage.cost.peak_bytes for stage in before.stages.values())
    disk = times * before.disk_bytes
    memory_there, disk_there = available_memory(), shutil.disk_usage(directory).free
    if peak > memory_there:
        return _left_out("memory", before, peak, memory_there)
    return _left_out("disk", before, disk, disk_there) if disk > disk_there else None


def available_memory() -> int:
    """The memory in bytes that is available to new processes."""
    [line] = [line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable:")]
    return int(line.split()[1]) << 10


def machine() -> dict[str, int]:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"cores": os.cpu_count() or 1, "memory_gb": round(total / (1 << 30))}


def _left_out(what: str, before: Row, wanted: float, there: float) -> str:
    return (
        f"left out: by what {before.size.name} took, it would need {wanted / GB:.0f} GB of {what}, "
        f"and this machine has {there / GB:.0f}"
    )


def _container(document: dict[str, Any]) -> dict[str, Any]:
    spec = document["spec"]["jobTemplate"]["spec"] if document["kind"] == "CronJob" else document["spec"]
    [container] = spec["template"]["spec"]["containers"]
    return dict(container)


def _bytes(quantity: str) -> int:
    return int(quantity[:-2]) * _UNITS[quantity[-2:]]
