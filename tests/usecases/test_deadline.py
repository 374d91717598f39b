"""The deadline of an upload, over all of its steps."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from common.bucket.port import ObjectInfo
from common.errors import UnavailableError
from common.testing.faults import FaultyBucket
from common.usecases.ingest.ingest import drain, ingest_object
from common.usecases.shared.deadline import Deadline
from tests.memory import memory_context
from tests.store.shop import events_csv, keys_under

KEY = "incoming/events/a.csv"


def test_work_is_held_to_what_is_left() -> None:
    waiting = threading.Event()
    with pytest.raises(UnavailableError, match=r"fetching a took longer than the 0\.01 s of RECSYS_UPLOAD_DEADLINE_S"):
        Deadline.after(0.01).held(waiting.wait, "fetching a")
    waiting.set()


def test_results_and_errors_come_through() -> None:
    assert Deadline.after(60).held(lambda: None, "nothing") is None
    with pytest.raises(KeyError):
        Deadline.after(60).held(lambda: dict[str, int]()["a"], "nothing")


def test_a_store_that_never_ends_a_file_does_not_hold_ingest(tmp_path: Path) -> None:
    released = threading.Event()

    class Endless(FaultyBucket):
        def fetch(self, key: str, path: Path) -> ObjectInfo | None:
            released.wait()
            return super().fetch(key, path)

    shop = memory_context(tmp_path, upload_deadline_s=0.2)
    shop.bucket.put(KEY, events_csv("u,a,2026-01-01,1"))
    with pytest.raises(UnavailableError, match=r"fetching incoming/events/a\.csv took longer"):
        ingest_object(replace(shop, bucket=Endless(shop.bucket)), KEY)
    released.set()
    assert keys_under(shop, "incoming/") == [KEY]
    assert keys_under(shop, "attempts/") == []


def test_a_call_begins_no_upload_that_it_may_cut_off(tmp_path: Path) -> None:
    shop = memory_context(tmp_path)
    shop.bucket.put(KEY, events_csv("u,a,2026-01-01,1"))
    call = Deadline.after(shop.settings.upload_deadline_s / 3)
    with pytest.raises(UnavailableError, match="too little time left"):
        ingest_object(shop, KEY, call=call)
    assert drain(shop, call) == []
    assert keys_under(shop, "incoming/") == [KEY]
