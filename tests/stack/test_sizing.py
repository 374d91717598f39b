"""`make sizing`: the made-up shops, what is read from the kernel, and what is said of limits."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import duckdb
import pytest

from infra.local.manifest import Function, Job, read_manifest
from infra.sizing import limits
from infra.sizing.row import Row, Serving, Stage
from infra.sizing.shop import LATER_EVENTS, Uploads, person, write_shop
from infra.sizing.site import SizingError, open_site
from infra.sizing.sizes import Size
from infra.sizing.stages import measure
from infra.sizing.table import cells
from infra.sizing.watch import Cost, Held, Watch, held

MB = 1 << 20
GB = 1 << 30
TINY = Size("tiny", items=1_200, people=200, events=5_000)
NOW_S = 1_790_000_000


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Uploads:
    return write_shop(tmp_path_factory.mktemp("sizing") / "shop", TINY, NOW_S)


def ask(files: list[Path], query: str) -> tuple[int, ...]:
    """The one row of `query`, which reads `files` as events."""
    with duckdb.connect() as connection:
        connection.read_parquet([str(path) for path in files]).create_view("events")
        row = connection.execute(query).fetchone()
    assert row is not None
    return tuple(int(value) for value in row)


def test_a_shop_has_the_size_it_is_asked_for(uploads: Uploads) -> None:
    people = f"count(DISTINCT user_id), count_if(user_id = '{person(TINY.people - 1)}') > 0"
    assert ask(list(uploads.events), f"SELECT count(*), {people} FROM events") == (TINY.events, TINY.people, 1)
    assert ask([uploads.later], "SELECT count(*) FROM events") == (LATER_EVENTS,)
    assert len(uploads.items.read_text().splitlines()) == 1 + TINY.items


def test_its_purchases_are_those_of_a_shop(uploads: Uploads) -> None:
    events = list(uploads.events)
    assert ask([uploads.later], "SELECT epoch(max(ts)) FROM events")[0] < NOW_S
    assert ask(events, "SELECT count(DISTINCT order_id) FROM events")[0] * 2 < TINY.events
    sold = "SELECT count(*) AS n FROM events GROUP BY item_id ORDER BY n DESC LIMIT 60"
    assert ask(events, f"SELECT sum(n) FROM ({sold})")[0] > 0.25 * TINY.events  # a twentieth of the items
    of_one = "SELECT count(DISTINCT (substr(item_id, 5)::INT // 500)) AS n FROM events GROUP BY user_id"
    assert ask(events, f"SELECT max(n) FROM ({of_one})")[0] <= 3


def test_a_watch_sees_what_a_process_took() -> None:
    program = f"import sys, time; block = bytearray({200 * MB}); block[::4096] = b'x' * len(block[::4096]); del block\n"
    program += "while time.process_time() < 0.3: pass\nprint(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as child:
        assert child.stdin
        assert child.stdout
        with Watch(child.pid) as watch:
            child.stdout.read(1)
        left = held(child.pid)
        child.stdin.close()
    assert watch.cost.peak_bytes >= 200 * MB
    assert watch.cost.cpu_seconds >= 0.2
    assert left.own_bytes < 100 * MB
    assert left.mapped_bytes > 0


def a_row(own_bytes: int = 100 * MB, longest_s: float = 10.0, recommend_bytes: int = 100 * MB) -> Row:
    stage = Stage(Cost(seconds=20.0, cpu_seconds=15.0, peak_bytes=own_bytes, own_bytes=own_bytes), longest_s)
    serving = Serving(1.0, 0.5, 1.0, 2.0, Held(recommend_bytes, 10 * MB))
    bucket = {"store/": 10, "serving/": 20, "models/": 30}
    return Row(TINY, dict.fromkeys(limits.RUNS_IN, stage), serving, bucket, bundle_bytes=20, disk_bytes=10 * MB)


def test_limits_are_those_of_every_part_of_the_template() -> None:
    manifest = read_manifest()
    parts: list[Function | Job] = [*manifest.functions, *manifest.jobs]
    assert set(limits.memory_limits()) == {part.name for part in parts}
    assert limits.memory_limits()["recommend"] == GB


def test_what_the_limits_would_not_hold_is_said() -> None:
    assert limits.beyond(a_row(), read_manifest()) == []
    found = "\n".join(limits.beyond(a_row(own_bytes=3 * GB, longest_s=500, recommend_bytes=2 * GB), read_manifest()))
    assert "ingest held 3.2 GB, and `ingest` may hold 1.6" in found
    assert "train held" not in found
    assert "train took" not in found
    assert "recommend held 2.1 GB" in found
    assert "update of 1,000 took 500 s, and `update` may take 300" in found


def test_a_training_that_only_the_night_has_room_for_is_said() -> None:
    row = a_row()
    row.stages["train"] = replace(row.stages["train"], longest_s=700)
    assert limits.beyond(row, read_manifest()) == ["train took 700 s, and `train` may take 600"]


def test_a_size_without_room_is_left_out(tmp_path: Path) -> None:
    larger = replace(TINY, events=TINY.events * 10)
    assert limits.no_room(None, larger, tmp_path) is None
    assert limits.no_room(a_row(), larger, tmp_path) is None
    assert "GB of memory" in (limits.no_room(a_row(own_bytes=10**13), larger, tmp_path) or "")
    full = replace(a_row(), disk_bytes=10**16)
    assert "GB of disk" in (limits.no_room(full, larger, tmp_path) or "")


def test_a_row_that_stopped_half_way_is_shown() -> None:
    row = a_row()
    whole = cells(asdict(row))
    half = cells(asdict(Row(TINY, {"ingest": row.stages["ingest"]}, problem="train ended")))
    assert list(half) == list(whole)
    assert half["train: seconds, of a processor"] == "–"
    assert half["ingest: seconds, of a processor"] == whole["ingest: seconds, of a processor"] == "20, 15"


@pytest.mark.slow(lane="stack")
def test_a_tiny_shop_goes_through_every_stage(tmp_path: Path) -> None:
    row = Row(TINY)
    with open_site(tmp_path) as site:
        stages = list(measure(site, row))
    assert stages == ["shop", "ingest", "train", "update", "recommend"]
    assert set(row.stages) == set(limits.RUNS_IN)
    assert all(stage.cost.peak_bytes > 50 * MB and stage.cost.cpu_seconds > 0 for stage in row.stages.values())
    assert row.serving is not None
    assert row.serving.held.own_bytes > 50 * MB
    assert row.bundle_bytes
    assert row.bundle_bytes <= row.bucket["serving/"]


@pytest.mark.slow(lane="stack")
def test_a_stage_that_fails_says_why(tmp_path: Path) -> None:
    with open_site(tmp_path) as site, pytest.raises(SizingError, match="train-nightly ended with status 5"):
        site.job("train-nightly", ("train", "--family", "als", "--no-evaluate"))
