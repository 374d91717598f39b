"""Ingest in a process of its own, under the memory limit of `template.yaml`: it takes in the keys that it is told.

    python -m tests.trust.hostile_worker <bytes> <directory of a control group, or ->

It reads a key a line and answers with the run's record and its own peak of memory, as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path

from common.edges.wiring import make_context
from common.errors import UnavailableError
from common.usecases.ingest.ingest import ingest_object


def main() -> None:
    limit, group = sys.argv[1:]
    if group != "-":
        (Path(group) / "cgroup.procs").write_text(str(os.getpid()))
    else:
        resource.setrlimit(resource.RLIMIT_DATA, (int(limit), int(limit)))
    ctx = make_context(os.environ)
    for line in sys.stdin:
        try:
            answer = ingest_object(ctx, line.strip()).model_dump(mode="json")
        except UnavailableError as error:
            answer = {"state": "unavailable", "error": {"code": error.code, "message": error.message}}
        sys.stdout.write(json.dumps({**answer, "peak_bytes": _peak_bytes()}) + "\n")
        sys.stdout.flush()


def _peak_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024


if __name__ == "__main__":
    main()
