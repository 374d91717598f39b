"""Uploads that are made to stop ingest, each followed by a good one that lands, under the limit of `template.yaml`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
import yaml

from common.usecases.shared.context import Context
from infra.local.manifest import TEMPLATE
from tests.store.shop import events_csv, keys_under, rows_of
from tests.trust.accounts import Account
from tests.trust.hostile_files import HOSTILE

_GROUPS = (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup"))
_LIMIT_FILES = ("memory.limit_in_bytes", "memory.max")
# Hostile by their size only: their rows are counted, and land.
LANDS = {"equal-rows.parquet", "equal-rows-of-nobody.parquet", "blank-lines.csv", "no-row-groups.parquet"}
MIB = 1 << 20


def limit_of_template() -> int:
    """The memory limit of ingest in bytes; `template.yaml` writes it in MiB."""
    for document in yaml.safe_load_all(TEMPLATE.read_text()):
        if document["kind"] == "Service" and document["metadata"]["name"] == "ingest":
            [container] = document["spec"]["template"]["spec"]["containers"]
            return int(container["resources"]["limits"]["memory"].removesuffix("Mi")) * MIB
    raise AssertionError("there is no ingest in template.yaml")


@contextmanager
def control_group(limit: int) -> Iterator[str]:
    """The directory of a group with this limit; - where none can be made."""
    for root, limit_file in zip(_GROUPS, _LIMIT_FILES, strict=True):
        group = root / f"hostile-{token_hex(4)}"
        try:
            group.mkdir()
            (group / limit_file).write_text(str(limit))
        except OSError:
            with suppress(OSError):
                group.rmdir()
            continue
        try:
            yield str(group)
        finally:
            with suppress(OSError):
                group.rmdir()
        return
    yield "-"


@dataclass
class Worker:
    process: subprocess.Popen[str]

    def take_in(self, key: str) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{key}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"{key} ended the process that takes in uploads: {self.process.wait()}"
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def working(environment: Mapping[str, str], limit: int, group: str) -> Iterator[Worker]:
    command = [sys.executable, "-m", "tests.trust.hostile_worker", str(limit), group]
    with subprocess.Popen(
        command, env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield Worker(process)
        assert process.stdin
        process.stdin.close()


@pytest.mark.s3
@pytest.mark.slow(lane="trust-limits")
def test_no_upload_stops_the_next(
    context: Context, environment: dict[str, str], tmp_path: Path, account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    limit = limit_of_template()
    told: list[str] = []
    with control_group(limit) as group, working(environment, limit, group) as worker:
        for number, name in enumerate(HOSTILE):
            runs = [worker.take_in(key) for key in upload_both(context, tmp_path, number, name)]
            told.append(line_of(name, *runs))
            assert runs[0]["state"] in ("done", "refused"), (name, runs[0])
            assert (runs[1]["state"], runs[1]["counts"]["rows_kept"]) == ("done", 2), (name, runs[1])
            account(hostile_files=1, good_files=1, landed=runs[0]["state"] == "done", good_rows=2)
            assert runs[1]["peak_bytes"] + runs[0]["details"].get("reader_peak_bytes", 0) < limit
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(told) + f"\nlimit {limit // MIB} MiB, group {group}\n")
    check_accounts(context, told)


def upload_both(context: Context, directory: Path, number: int, name: str) -> tuple[str, str]:
    """A hostile file, and a good one of two rows that nothing else has."""
    path = directory / name
    HOSTILE[name](path)
    hostile, good = f"{context.keys.incoming_events}{name}", f"{context.keys.incoming_events}good-{number}.csv"
    context.bucket.put(hostile, path)
    path.unlink()
    context.bucket.put(
        good, events_csv(f"u{number},good-{number},2026-01-01,1", f"u{number},good-{number},2026-01-02,1")
    )
    return hostile, good


def line_of(name: str, hostile: dict[str, Any], good: dict[str, Any]) -> str:
    seconds = sum(hostile.get("timings_s", {}).values())
    reader = hostile.get("details", {}).get("reader_peak_bytes", 0)
    why = hostile["error"]["message"].partition(": ")[2][:70] if hostile.get("error") else str(hostile["counts"])
    return (
        f"{name:30} {hostile['state']:8} {seconds:6.1f} s, reader {reader // MIB:5} MiB, "
        f"ingest {good['peak_bytes'] // MIB:4} MiB  {why}"
    )


def check_accounts(context: Context, told: list[str]) -> None:
    """Every good row is in the store, every hostile file is landed or in the quarantine, and there is nothing else."""
    assert keys_under(context, "incoming/") == keys_under(context, "attempts/") == []
    landed = {line.split()[0] for line in told if line.split()[1] == "done"}
    quarantined = [key.rpartition("/")[2] for key in keys_under(context, "quarantine/")]
    # Beside a file lie a document about it and, where rows were read, the refused ones.
    refused = [name for name in quarantined if not name.endswith(".json") and ".rows." not in name]
    assert len(refused) == len(HOSTILE) - len(landed)
    assert landed >= LANDS
    good = [row for row in rows_of(context) if row[1].startswith("good-")]
    assert len(good) == 2 * len(HOSTILE)
    assert len(set(good)) == len(good)
