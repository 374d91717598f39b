"""Small uploads that wait are taken in together: for each of them it is as if it were taken in by itself."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from common.bucket.port import ObjectInfo
from common.errors import BucketUnavailable, ReaderDied, RecsysError
from common.schemas.documents import RunRecord, RunState, Upload
from common.store.uploads import reader, reading_together
from common.store.uploads.read_order import ReadLimits
from common.testing.faults import Fault, FaultyBucket, Rule
from common.testing.memory import MemoryBucket
from common.usecases.erase.erase import erase
from common.usecases.ingest import take_together
from common.usecases.ingest.attempts_together import tried_before
from common.usecases.ingest.ingest import drain, ingest_announced, ingest_object
from common.usecases.ingest.take_upload import SMALL_BYTES
from common.usecases.ingest.waiting import MOST_BYTES, MOST_UPLOADS, first_together
from common.usecases.shared.context import Context
from tests.interrupted import Interrupted
from tests.memory import memory_context
from tests.store.shop import (
    csv_of,
    events_csv,
    everything_in,
    ingest,
    keys_under,
    parquet_of,
    report_of,
    rows_of,
    stored,
)
from tests.usecases.test_attempts import taken_in

ITEMS = "item_id,category,brand,price,img_url"
CONSENT = "user_id,item_id,ts,qty,order_id,session_id,consent"
YESTERDAY = datetime.now(UTC) - timedelta(days=1)
Uploads = dict[str, bytes]

KINDS: Uploads = {
    "events/01-plain.csv": events_csv("u,a,2026-01-01,1", "u,b,2026-01-01T10:00,2", "v,a,2026-01-02,1"),
    "events/02-the-same-rows.csv": events_csv("u,b,2026-01-01T10:00,2", "u,b,2026-01-01T10:00,2", "w,c,2026-01-02,1"),
    "items/03-first.csv": csv_of(ITEMS, "a,shoes,x,10,", "b,shoes,x,20,", "b,boots,x,21,"),
    "events/04-bad-rows.csv": events_csv("u,a,2026-01-03,1", "u,a,3000-01-01,1", ",a,2026-01-03,1", "v,b,2026-01-03,5"),
    "events/05-all-bad.csv": events_csv("u,a,3000-01-01,1", "u,a,2026-01-03,0"),
    "events/06-no-such-columns.csv": csv_of("who,what", "u,a"),
    "events/07-decimal-commas.csv": csv_of("user_id;item_id;ts;qty;price", "u;a;2026-01-04;1,5;12,50").replace(
        b"1.5", b"1,5"
    ),
    "events/08-grouped.csv": b"user_id;item_id;ts;qty;price\nu;a;2026-01-05;1;1,234\n",
    "items/09-replaces.csv": csv_of(f"{ITEMS},title,own", "b,hats,y,5,,A hat,red", "d,hats,y,5,nowhere,Another,"),
    "events/10-no-consent.csv": csv_of(
        CONSENT,
        "u,a,2026-01-06,1,o1,s1,false",
        "u,a,2026-01-06,1,o1,s1,false",
        "v,a,2026-01-06,1,o2,,false",
        "v,b,2026-01-06,1,o2,,true",
        "w,b,2026-01-06,1,,,",
    ),
    "events/11-no-consent-again.csv": csv_of(
        CONSENT,
        "x,a,2026-01-06,1,o1,s1,false",
        "y,a,2026-01-06,1,o1,s1,false",
        "z,a,2026-01-06,1,o9,,false",
        "v,b,2026-01-06,1,o2,,true",
    ),
    "events/12-nothing.csv": b"user_id,item_id,ts,qty\n",
    "items/13-the-last.csv": csv_of(ITEMS, "b,hats,z,6,", "c,hats,z,7,"),
    "events/14-erased.csv": events_csv("erika,a,2026-01-01,1", "u,c,2026-01-07,1", "erika,a,2026-01-01,1"),
    "events/15-erased-again.csv": events_csv("erika,a,2026-01-01,1", "erika,b,2026-01-02,1"),
    "events/16-latin.csv": "user_id,item_id,ts,qty\nu,Käse,2026-01-08,1\n".encode("latin-1"),
    "events/17-own-column.csv": csv_of(
        "user_id,item_id,ts,qty,colour", "u,a,2026-01-09,1,red", "u,a,2026-01-09,1,blue"
    ),
    "events/18-quotes.csv": b'user_id,item_id,ts,qty\nu,"a\nb",2026-01-09,1\nu,"a,b",2026-01-09,1\nu,a\n',
}


def clock() -> Callable[[], datetime]:
    """Each third object is put a second later, so that some have one time."""
    ticks = iter(range(10**9))
    return lambda: YESTERDAY + timedelta(seconds=next(ticks) // 3)


def shop_with(directory: Path, before: Uploads, waiting: Uploads, **settings: object) -> Context:
    """A shop in which `erika` is erased, that has taken in `before`; the others wait."""
    ctx = memory_context(directory, MemoryBucket(clock()), **settings)
    for name, data in before.items():
        ingest(ctx, name, data)
    if before:
        erase(ctx, ["erika"])
    for name, data in waiting.items():
        ctx.bucket.put(f"{ctx.keys.incoming}{name}", data)
    return ctx


BEFORE = {
    "events/before.csv": events_csv("u,a,2026-01-01,1", "erika,a,2026-01-01,1"),
    "events/no-consent-before.csv": csv_of(CONSENT, "u,a,2026-01-06,1,o1,s1,false"),
    "items/before.csv": csv_of(ITEMS, "a,old,o,1,", "c,old,o,1,"),
}


@dataclass(frozen=True)
class Outcome:
    """What is to be the same: the account of every upload, the store, and what lies in the quarantine."""

    accounts: dict[str, Any]
    rows: list[Any]
    catalogue: Any
    joined: list[int]
    quarantine: dict[str, bytes]
    left: list[str]


def outcome(ctx: Context, records: Sequence[RunRecord]) -> Outcome:
    now = stored(ctx)
    orders = np.unique(now.interactions.orders, return_counts=True)[1]
    return Outcome(
        accounts={run.upload.key: account(ctx, run) for run in records if run.upload},
        rows=rows_of(ctx, ("u", "v", "w", "erika")),
        catalogue=replace(
            now.catalogue,
            as_of=now.catalogue.as_of.tolist(),
            prices=now.catalogue.prices.tolist(),
            available=now.catalogue.available.tolist(),
            created_at=now.catalogue.created_at.tolist(),
        ),
        joined=sorted(orders.tolist()),
        quarantine={key: data for key, data in everything_in(ctx).items() if key.endswith(".csv")},
        left=keys_under(ctx, "incoming/") + keys_under(ctx, "attempts/"),
    )


def account(ctx: Context, run: RunRecord) -> Any:
    rows = [row.model_dump() for row in report_of(ctx, run).rows] if "quarantine" in run.details else []
    counts = {name: count for name, count in run.counts.items() if count}
    return run.state, counts, run.reasons, sorted(run.notices), run.error and run.error["message"], rows


def one_by_one(ctx: Context) -> list[RunRecord]:
    waiting = sorted(ctx.bucket.list(ctx.keys.incoming), key=lambda info: info.modified)
    return [ingest_object(ctx, info.key) for info in waiting]


def commits_of(ctx: Context) -> int:
    document = ctx.store_file.read().document
    return len(document.commits) if document else 0


def compare(directory: Path, before: Uploads, waiting: Uploads, **settings: object) -> Context:
    """Both ways end in the same. Returns the shop that has taken them in together."""
    alone, together = (shop_with(directory / name, before, waiting, **settings) for name in ("alone", "together"))
    commits = commits_of(together)
    expected, found = outcome(alone, one_by_one(alone)), outcome(together, drain(together))
    assert found.accounts == expected.accounts
    assert found == expected
    assert commits_of(together) <= commits + 1
    return together


@pytest.mark.slow(lane="faults")
def test_uploads_of_every_kind_come_to_the_same_as_one_by_one(tmp_path: Path) -> None:
    compare(tmp_path, BEFORE, KINDS)


def test_the_first_uploads_of_a_shop(tmp_path: Path) -> None:
    shop = compare(tmp_path, {}, {name: KINDS[name] for name in list(KINDS)[:3]})
    document = shop.store_file.read().document
    assert document is not None
    assert (document.seq, len(document.deltas)) == (2, 2)


def random_uploads(rng: random.Random) -> Uploads:
    """Rows of few people, items and times, so that many are equal."""

    def row() -> str:
        at = rng.choice(["2026-01-01", "2026-01-02T10:00", "2026-01-02T10:00:00.5", "2026-02-01", "3000-01-01"])
        return f"{rng.choice('uvw')},{rng.choice('abc')},{at},{rng.choice(['1', '1', '2', 'x'])}"

    def upload(number: int) -> tuple[str, bytes]:
        lines = range(rng.randint(1, 5))
        kind = rng.choice(["events", "events", "consent", "items"])
        if kind == "items":
            return f"items/{number}.csv", csv_of(ITEMS, *(f"{rng.choice('abc')},{number},x,{n},,"[:-1] for n in lines))
        if kind == "consent":
            said = (f"{row()},{rng.choice(['o', 'p', ''])},,{rng.choice(['true', 'false', ''])}" for _ in lines)
            return f"events/{number}.csv", csv_of(CONSENT, *said)
        return f"events/{number}.csv", events_csv(*(row() for _ in lines))

    return dict(upload(number) for number in range(rng.randint(2, 9)))


@pytest.mark.slow(lane="faults")
@pytest.mark.parametrize("seed", range(12))
def test_any_uploads_come_to_the_same_as_one_by_one(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    compare(tmp_path, random_uploads(rng) if seed % 2 else {}, random_uploads(rng), max_bad_rows=0.9)


def test_order_keys_of_people_without_consent_are_not_joined_over_uploads(tmp_path: Path) -> None:
    line = "{},{},2026-01-06,1,the same order,the same visit,false"
    waiting = {f"events/{n}.csv": csv_of(CONSENT, line.format("u", n)) for n in "ab"}
    ctx = shop_with(tmp_path, {}, waiting)
    drain(ctx)
    assert len(set(stored(ctx).interactions.orders.tolist())) == 2
    assert len(set(stored(ctx).interactions.sessions.tolist())) == 2


OTHER = {"user_id": ["u"], "item_id": ["other"], "ts": [YESTERDAY], "qty": [1]}
TINY = {f"events/{n}.csv": events_csv(f"u,{n},2026-01-0{n},1") for n in range(1, 6)}


def test_what_is_large_or_no_csv_or_an_erasure_stands_between(tmp_path: Path) -> None:
    large = events_csv(*(f"u,large,2026-01-01T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02},1" for n in range(3_000)))
    between = {"events/large.csv": large, "erasures/people.csv": csv_of("user_id", "nobody")}
    first, second, third, *others = TINY.items()
    ctx = shop_with(tmp_path, {}, dict([first, second, *list(between.items())[:1], third, *others]))
    assert {run.state for run in drain(ctx)} == {RunState.DONE}
    assert commits_of(ctx) == 3
    assert keys_under(ctx, "incoming/") == []


def test_an_event_takes_in_what_waits_beside_it(tmp_path: Path) -> None:
    ctx = shop_with(tmp_path, {}, TINY)
    runs = ingest_announced(ctx, [Upload(key="incoming/events/3.csv", etag="")])
    assert [run.upload.key for run in runs if run.upload] == [f"incoming/{name}" for name in TINY]
    assert commits_of(ctx) == 1
    [again] = ingest_announced(ctx, [Upload(key="incoming/events/4.csv", etag="")])
    assert again.notices == ("incoming/events/4.csv is gone, or was ingested by an earlier call",)


def test_an_event_of_several_takes_in_these(tmp_path: Path) -> None:
    ctx = shop_with(tmp_path, {}, TINY)
    named = [Upload(key=f"incoming/events/{n}.csv", etag="") for n in (5, 2, 9)]
    runs = ingest_announced(ctx, named)
    assert [run.state for run in runs] == [RunState.DONE] * 3
    assert taken_in(ctx) == [upload.key for upload in named[:2]]
    assert commits_of(ctx) == 1


def test_a_single_upload_is_taken_in_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(take_together, "read_together_apart", None)
    ctx = shop_with(tmp_path, {}, dict(list(TINY.items())[:1]))
    [run] = ingest_announced(ctx, [Upload(key="incoming/events/1.csv", etag="")])
    assert run.counts["rows_kept"] == 1


def test_where_the_reader_dies_or_reaches_a_limit_each_is_read_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> NoReturn:
        raise ReaderDied("the process that read it ended by SIGKILL")

    monkeypatch.setattr(take_together, "read_together_apart", dies)
    ctx = shop_with(tmp_path, {}, TINY)
    runs = drain(ctx)
    assert [run.counts["rows_kept"] for run in runs] == [1] * len(TINY)
    assert commits_of(ctx) == len(TINY)
    assert keys_under(ctx, "attempts/") == []


def test_where_reading_them_together_ends_at_a_limit_each_is_read_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit of the process that reads, which it meets indeed."""
    limits = reader._limits

    def little(job: Any, seconds: float) -> ReadLimits:
        found = limits(job, seconds)
        return replace(found, memory_bytes=1 << 20) if isinstance(job, reading_together.TogetherJob) else found

    monkeypatch.setattr(reader, "_limits", little)
    ctx = shop_with(tmp_path, {}, dict(list(TINY.items())[:2]))
    assert [run.counts["rows_kept"] for run in drain(ctx)] == [1, 1]
    assert commits_of(ctx) == 2


def test_a_mark_names_all_of_them_until_they_are_deleted(tmp_path: Path) -> None:
    ctx = shop_with(tmp_path, {}, TINY)
    seen: list[set[str]] = []
    runs = meanwhile(ctx, lambda: seen.append(tried_before(ctx)))
    assert seen == [{f"incoming/{name}" for name in TINY}]
    assert len(runs) == len(TINY)
    assert keys_under(ctx, "attempts/") == []


def infos(sizes: Iterable[int]) -> list[ObjectInfo]:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return [ObjectInfo(f"incoming/events/{n}.csv", f"{n}", size, now) for n, size in enumerate(sizes)]


@pytest.mark.parametrize(
    ("sizes", "together"),
    [
        ([100] * 3, 3),
        ([100] * 3 * MOST_UPLOADS, MOST_UPLOADS),
        ([SMALL_BYTES] * 100, MOST_BYTES // SMALL_BYTES),
        ([100, SMALL_BYTES + 1, 100], 1),
        ([100, 0, 100], 1),
    ],
    ids=["few", "many", "heavy", "one is large", "one is empty"],
)
def test_so_many_are_taken_in_together(tmp_path: Path, sizes: list[int], together: int) -> None:
    ctx = memory_context(tmp_path)
    assert len(first_together(ctx, infos(sizes), ())) == together


def test_more_rows_than_may_be_read_together_wait_for_the_next_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading_together, "MOST_ROWS", 2)
    work = [job_of(tmp_path, n) for n in range(4)]
    (tmp_path / "work").mkdir()
    read = reading_together.read_together(reading_together.TogetherJob(tuple(work), tmp_path / "work"))
    assert len(read.uploads) == 2
    ctx = shop_with(tmp_path, {}, TINY)
    real = reader.read_together_apart

    def some(job: reading_together.TogetherJob, seconds: float) -> Any:
        return real(replace(job, jobs=job.jobs[:2]), seconds)

    monkeypatch.setattr(take_together, "read_together_apart", some)
    assert len(drain(ctx)) == len(TINY)
    assert commits_of(ctx) == 3
    assert keys_under(ctx, "incoming/") == []


def job_of(directory: Path, number: int) -> Any:
    from common.store.uploads.reading import ReadJob
    from tests.store.test_reading_apart import BOUNDS

    work = directory / f"upload-{number}"
    work.mkdir()
    (work / "upload").write_bytes(events_csv("u,i,2026-01-01,1"))
    now = datetime(2026, 1, 2, tzinfo=UTC)
    return ReadJob(
        work / "upload", "incoming/events/a.csv", "events", work, now, now, "ab" * 16, 256 << 20, 0.5, BOUNDS
    )


def meanwhile(ctx: Context, other: Callable[[], object]) -> list[RunRecord]:
    """Drains; right before the commit `other` happens."""
    interrupted = Interrupted(ctx.bucket, "put_if", ctx.keys.store_current, other)
    runs = drain(replace(ctx, bucket=interrupted))
    assert interrupted.happened
    return runs


def test_one_that_another_call_commits_meanwhile_counts_once(tmp_path: Path) -> None:
    waiting = {name: KINDS[name] for name in list(KINDS)[:4]}
    ctx = shop_with(tmp_path, BEFORE, waiting)
    key = "incoming/events/02-the-same-rows.csv"
    blob = ctx.bucket.get(key)
    assert blob is not None
    runs = meanwhile(ctx, lambda: ingest_object(ctx, key))
    [run] = [run for run in runs if run.upload and run.upload.key == key]
    assert f"{key} was ingested already" in run.notices
    rows = rows_of(ctx, ("u", "v", "w"))
    assert len(rows) == len(set(rows)) == 7
    assert keys_under(ctx, "incoming/") == []


def test_an_erasure_that_commits_meanwhile_takes_its_people_out(tmp_path: Path) -> None:
    ctx = shop_with(tmp_path, {"events/b.csv": events_csv("u,z,2026-01-01,1")}, TINY)
    runs = meanwhile(ctx, lambda: erase(ctx, ["u"]))
    assert rows_of(ctx, ("u",)) == []
    assert [run.reasons for run in runs if run.function == "ingest"] == [{"user_erased": 1}] * len(TINY)


def test_a_store_that_fails_leaves_all_of_them_and_says_so_once(tmp_path: Path) -> None:
    ctx = shop_with(tmp_path, {}, TINY)
    failing = FaultyBucket(ctx.bucket, [Rule("fetch", Fault.FAIL_BEFORE, times=len(TINY))])
    with pytest.raises(BucketUnavailable):
        drain(replace(ctx, bucket=failing))
    assert len(keys_under(ctx, "incoming/")) == len(TINY)
    assert keys_under(ctx, "attempts/") == []
    assert len(keys_under(ctx, "runs/")) == 1
    assert keys_under(ctx, "last-runs/") == ["last-runs/ingest-failed"]


def test_one_that_cannot_be_fetched_holds_nothing_back(tmp_path: Path) -> None:
    """At every call: what the store has lost must not keep the others waiting."""
    ctx = shop_with(tmp_path, {}, TINY)
    lost = f"incoming/{next(iter(TINY))}"
    failing = FaultyBucket(ctx.bucket, [Rule("fetch", Fault.FAIL_BEFORE, lost, times=9)])
    with pytest.raises(BucketUnavailable):
        drain(replace(ctx, bucket=failing))
    assert keys_under(ctx, "incoming/") == [lost]
    assert keys_under(ctx, "attempts/") == []


def test_what_fails_together_does_not_hold_back_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> NoReturn:
        raise RecsysError("out of order")

    monkeypatch.setattr("common.usecases.ingest.ingest.take_together", fails)
    ctx = shop_with(tmp_path, {}, TINY | {"events/other.parquet": parquet_of(OTHER)})
    with pytest.raises(RecsysError, match="out of order"):
        drain(ctx)
    assert keys_under(ctx, "incoming/") == [f"incoming/{name}" for name in TINY]
    assert len(rows_of(ctx)) == 1


def test_an_upload_that_is_gone_or_large_by_now(tmp_path: Path) -> None:
    ctx = shop_with(tmp_path, {}, TINY)
    first, second, *_ = (f"incoming/{name}" for name in TINY)
    large = events_csv(*(f"u,large{n:05},2026-01-01,1" for n in range(4_000)))
    assert len(large) > SMALL_BYTES

    def other() -> None:
        ctx.bucket.delete(second)
        ctx.bucket.put(first, large)

    runs = drain(replace(ctx, bucket=Interrupted(ctx.bucket, "fetch", first, other)))
    assert {run.state for run in runs} == {RunState.DONE}
    assert len(rows_of(ctx)) == 4_000 + len(TINY) - 2
    assert keys_under(ctx, "incoming/") == []
