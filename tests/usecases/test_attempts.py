"""The tries to take in an upload: what is a death, what is none, and what becomes of a file that has killed three."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import pytest

from common.errors import BucketUnavailable, ReaderDied, UnavailableError
from common.schemas.documents import AttemptTogether, RunState, Upload, UploadAttempt, UploadAttempts
from common.testing.faults import Fault, FaultyBucket, Rule
from common.usecases.ingest import take_upload
from common.usecases.ingest.attempts import AT_ONCE, MAX_DEATHS, Attempts, counted
from common.usecases.ingest.attempts_together import forget_marks, marked, tried_before
from common.usecases.ingest.holders import Holder, own_id, state_of
from common.usecases.ingest.ingest import drain, ingest_object
from common.usecases.ingest.take_upload import upload_of
from common.usecases.shared.context import Context
from common.usecases.shared.garbage import collect_garbage
from tests.later import later
from tests.memory import memory_context
from tests.store.shop import events_csv, keys_under, report_of, rows_of

BAD = "incoming/events/a-bad.csv"
OTHERS = ("incoming/events/b.csv", "incoming/events/c.csv")


@pytest.fixture
def shop(tmp_path: Path) -> Context:
    """A shop with an upload that is the oldest, and two others that wait behind it."""
    ctx = memory_context(tmp_path)
    for number, key in enumerate((BAD, *OTHERS)):
        ctx.bucket.put(key, events_csv(f"u,{number},2026-01-01,1"))
    return ctx


def dead_holder(ctx: Context) -> str:
    """The id of a process that is no more."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(into, own_id(ctx.settings.cache_dir).encode())
        os._exit(0)
    os.waitpid(child, 0)
    holder = os.read(out, 100).decode()
    os.close(out)
    os.close(into)
    return holder


def upload_at(ctx: Context, key: str) -> Upload:
    info = ctx.bucket.head(key)
    assert info is not None
    return upload_of(info)


def leave(ctx: Context, key: str, *holders: str, deaths: tuple[str, ...] = ()) -> None:
    """Leaves tries of these holders, and deaths that are counted already."""
    until = ctx.now() + timedelta(minutes=10)
    running = tuple(UploadAttempt(run_id=f"run-{n}", holder=holder, until=until) for n, holder in enumerate(holders))
    document = UploadAttempts(upload=upload_at(ctx, key), deaths=deaths, running=running)
    ctx.bucket.put(ctx.keys.attempts_at(key), document.model_dump_json().encode())


def count_of(ctx: Context, key: str) -> UploadAttempts:
    blob = ctx.bucket.get(ctx.keys.attempts_at(key))
    assert blob is not None
    return UploadAttempts.model_validate_json(blob.data)


def taken_in(ctx: Context) -> list[str]:
    """The uploads in the order of their commits."""
    document = ctx.store_file.read().document
    assert document is not None
    return [upload.key for delta in document.deltas for upload in delta.uploads]


def test_nothing_is_left_of_a_try_that_ends_well(shop: Context) -> None:
    assert ingest_object(shop, BAD).state is RunState.DONE
    assert keys_under(shop, "attempts/") == []


def test_a_process_is_alive_dead_or_elsewhere(shop: Context) -> None:
    cache = shop.settings.cache_dir
    assert state_of(own_id(cache), cache) is Holder.ALIVE
    assert state_of(dead_holder(shop), cache) is Holder.DEAD
    assert state_of("unheard-of", cache) is Holder.ELSEWHERE


def test_after_three_deaths_the_file_is_refused_and_the_next_is_taken(shop: Context) -> None:
    leave(shop, BAD, *[dead_holder(shop) for _ in range(MAX_DEATHS)])
    states = [run.state for run in drain(shop)]
    assert states == [RunState.DONE, RunState.DONE, RunState.REFUSED]
    assert keys_under(shop, "incoming/") == keys_under(shop, "attempts/") == []
    [key] = [key for key in keys_under(shop, "quarantine/") if key.endswith(".json")]
    blob = shop.bucket.get(key)
    assert blob is not None
    assert b"killed the reader: 3 tries" in blob.data


def test_a_file_that_has_killed_is_taken_last(shop: Context) -> None:
    leave(shop, BAD, dead_holder(shop))
    drain(shop)
    assert taken_in(shop) == [*OTHERS, BAD]
    assert keys_under(shop, "attempts/") == []


def test_an_event_of_it_takes_in_first_what_waits(shop: Context) -> None:
    leave(shop, BAD, dead_holder(shop))
    assert ingest_object(shop, BAD).state is RunState.DONE
    assert taken_in(shop) == [*OTHERS, BAD]


def test_two_tries_at_the_same_time_are_no_deaths(shop: Context) -> None:
    one = Attempts(shop, upload_at(shop, BAD), "one")
    with counted(one, last=True):
        assert ingest_object(shop, BAD).state is RunState.DONE
    assert one.deaths == ()
    assert taken_in(shop) == [BAD]
    assert keys_under(shop, "attempts/") == []


def test_a_try_elsewhere_is_dead_when_its_time_is_over(shop: Context) -> None:
    leave(shop, BAD, "elsewhere")
    other = Attempts(shop, upload_at(shop, BAD), "other")
    other.begin(last=True)
    other.end()
    assert count_of(shop, BAD).deaths == ()
    late = later(shop, timedelta(minutes=11))
    other = Attempts(late, upload_at(shop, BAD), "other")
    other.begin(last=True)
    assert len(other.deaths) == 1


def test_so_many_tries_go_on_and_no_more(shop: Context) -> None:
    leave(shop, BAD, *["elsewhere"] * AT_ONCE)
    with pytest.raises(UnavailableError, match=f"is being taken in by {AT_ONCE} other calls"):
        ingest_object(shop, BAD)
    assert len(count_of(shop, BAD).running) == AT_ONCE


def test_another_upload_at_the_key_begins_anew(shop: Context) -> None:
    leave(shop, BAD, dead_holder(shop), deaths=("SIGKILL", "SIGKILL"))
    shop.bucket.put(BAD, events_csv("v,new,2026-01-01,1"))
    assert ingest_object(shop, BAD).state is RunState.DONE
    assert [row[1] for row in rows_of(shop)] == ["new"]


def test_a_death_that_is_seen_counts_and_after_three_the_file_is_refused(
    shop: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> NoReturn:
        raise ReaderDied("the process that read it ended by SIGSEGV")

    monkeypatch.setattr(take_upload, "read_apart", dies)
    for number in range(MAX_DEATHS):
        assert keys_under(shop, "incoming/").count(BAD) == 1
        with pytest.raises(ReaderDied):
            ingest_object(shop, BAD)
        assert len(count_of(shop, BAD).deaths) == number + 1
    run = ingest_object(shop, BAD)
    assert run.state is RunState.REFUSED
    report = report_of(shop, run)
    assert report.problem is not None
    assert "SIGSEGV" in report.problem
    assert "Export it anew, or split it" in report.problem


def test_a_store_that_fails_is_no_death(shop: Context) -> None:
    failing = FaultyBucket(shop.bucket, [Rule("fetch", Fault.FAIL_BEFORE)])
    with pytest.raises(BucketUnavailable):
        ingest_object(replace(shop, bucket=failing), BAD)
    assert keys_under(shop, "attempts/") == []


def test_an_end_that_could_not_be_written_is_no_death(shop: Context) -> None:
    failing = FaultyBucket(shop.bucket, [Rule("fetch", Fault.FAIL_BEFORE), Rule("delete", Fault.FAIL_BEFORE)])
    with pytest.raises(BucketUnavailable):
        ingest_object(replace(shop, bucket=failing), BAD)
    assert len(count_of(shop, BAD).running) == 1
    again = Attempts(shop, upload_at(shop, BAD), "again")
    again.begin(last=False)
    assert again.deaths == ()


def leave_mark(ctx: Context, holder: str, *keys: str) -> str:
    """Leaves the mark of a try to take in all of these together."""
    until = ctx.now() + timedelta(minutes=10)
    attempt = UploadAttempt(run_id="together", holder=holder, until=until)
    mark = AttemptTogether(uploads=tuple(upload_at(ctx, key) for key in keys), attempt=attempt)
    place = ctx.keys.attempt_together("together")
    ctx.bucket.put(place, mark.model_dump_json().encode())
    return place


def test_after_the_death_of_a_try_of_several_each_has_one_and_is_taken_by_itself(shop: Context) -> None:
    place = leave_mark(shop, dead_holder(shop), BAD, OTHERS[0])
    assert tried_before(shop) == {BAD, OTHERS[0]}
    assert [len(count_of(shop, key).deaths) for key in (BAD, OTHERS[0])] == [1, 1]
    assert shop.bucket.head(place) is None
    drain(shop)
    assert taken_in(shop) == [OTHERS[1], BAD, OTHERS[0]]
    document = shop.store_file.read().document
    assert document is not None
    assert len(document.deltas) == 3
    assert keys_under(shop, "attempts/") == []


def test_a_death_of_its_own_counts_on_after_one_with_others(shop: Context) -> None:
    leave(shop, BAD, deaths=("SIGKILL", "SIGKILL"))
    leave_mark(shop, dead_holder(shop), BAD, OTHERS[0])
    tried_before(shop)
    assert [len(count_of(shop, key).deaths) for key in (BAD, OTHERS[0])] == [2, 1]


def test_what_another_machine_takes_in_together_is_taken_one_by_one(shop: Context) -> None:
    place = leave_mark(shop, "elsewhere", BAD, OTHERS[0])
    assert tried_before(shop) == {BAD, OTHERS[0]}
    assert shop.bucket.head(place) is not None
    drain(shop)
    assert taken_in(shop) == [OTHERS[1], BAD, OTHERS[0]]
    assert keys_under(shop, "attempts/") == []


def test_the_mark_of_another_machine_is_a_death_when_its_time_is_over(shop: Context) -> None:
    leave_mark(shop, "elsewhere", BAD, OTHERS[0])
    late = later(shop, timedelta(minutes=11))
    assert tried_before(late) == {BAD, OTHERS[0]}
    assert len(count_of(shop, BAD).deaths) == 1


def test_a_mark_that_could_not_be_deleted_is_no_death(shop: Context) -> None:
    leave_mark(shop, own_id(shop.settings.cache_dir), BAD, OTHERS[0])
    assert tried_before(shop) == set()
    assert keys_under(shop, "attempts/") == []


def test_the_mark_of_a_try_of_this_process_stays_while_it_goes_on(shop: Context) -> None:
    with marked(shop, [upload_at(shop, BAD)], "together"):
        assert tried_before(shop) == {BAD}
        forget_marks(shop)
        assert keys_under(shop, "attempts/") == [shop.keys.attempt_together("together")]
    assert keys_under(shop, "attempts/") == []


def test_the_count_of_an_upload_that_is_no_more_is_swept(shop: Context) -> None:
    leave(shop, BAD, deaths=("SIGKILL",))
    shop.bucket.delete(BAD)
    leave(shop, OTHERS[0], deaths=("SIGKILL",))
    assert collect_garbage(shop).deleted == ()
    assert collect_garbage(later(shop, timedelta(days=2))).deleted == (shop.keys.attempts_at(BAD),)
    assert keys_under(shop, "attempts/") == [shop.keys.attempts_at(OTHERS[0])]
