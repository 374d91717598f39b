"""The ingest function over its HTTP interface, on a real S3 server."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote_plus

import pytest

from common.edges.wiring import make_context
from common.usecases.ingest.ingest import drain, ingest_object
from common.usecases.shared.context import Context
from tests.caller import Caller, client_of
from tests.store.shop import csv_of, events_csv, keys_under, rows_of, stored

ITEMS = csv_of("item_id,category,brand,price,img_url", "a,food,acme,1,", "b,food,acme,2,")

pytestmark = pytest.mark.s3


@pytest.fixture
def function(environment: dict[str, str], fresh_logs: None, monkeypatch: pytest.MonkeyPatch) -> Caller:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    client = client_of("ingest")
    client.always["Authorization"] = f"Bearer {environment['RECSYS_TRIGGER_TOKEN']}"
    return client


def upload(ctx: Context, name: str, data: bytes) -> str:
    key = f"{ctx.keys.incoming}{name}"
    ctx.bucket.put(key, data)
    return key


def created(ctx: Context, *keys: str) -> dict[str, Any]:
    """The event that MinIO and AWS send."""
    return {
        "Records": [
            {
                "eventName": "s3:ObjectCreated:Put",
                "s3": {"bucket": {"name": ctx.settings.bucket}, "object": {"key": quote_plus(key), "eTag": "x"}},
            }
            for key in keys
        ]
    }


def runs_of(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.data
    runs: list[dict[str, Any]] = json.loads(answer.data)["runs"]
    return runs


def test_an_event_takes_in_its_upload(function: Caller, context: Context) -> None:
    key = upload(context, "events/größe 1.csv", events_csv("u,a,2026-01-01,1", "v,b,2026-01-01,2"))
    (run,) = runs_of(function.post("/", json=created(context, key)))
    assert (run["state"], run["counts"]["rows_kept"], run["upload"]["key"]) == ("done", 2, key)
    assert len(rows_of(context)) == 2
    assert keys_under(context, "incoming/") == []
    (record,) = keys_under(context, "runs/")
    assert record.endswith(f"{run['run_id']}.json")


def test_an_event_of_a_list_of_people_erases_them(function: Caller, context: Context) -> None:
    bought = upload(context, "events/a.csv", events_csv("erika,a,2026-01-01,1", "v,b,2026-01-01,2"))
    named = upload(context, "erasures/letters.csv", b"user_id\nerika\n")
    _, run = runs_of(function.post("/", json=created(context, bought, named)))
    assert (run["function"], run["state"], run["counts"]["events_erased"]) == ("erase", "done", 1)
    assert "erika" not in json.dumps(run)
    assert [row[1] for row in rows_of(context)] == ["b"]
    assert keys_under(context, "incoming/") == []


def test_a_call_without_an_event_takes_in_all_that_waits(function: Caller, context: Context) -> None:
    upload(context, "events/a.csv", events_csv("u,a,2026-01-01,1"))
    upload(context, "items/a.csv", ITEMS)
    upload(context, "events/bad.parquet", b"no Parquet")
    states = [run["state"] for run in runs_of(function.post("/"))]
    assert sorted(states) == ["done", "done", "refused"]
    assert runs_of(function.post("/", json={})) == []
    counts = stored(context).counts
    assert (counts.events, counts.items) == (1, 2)


def test_an_upload_that_is_kept_is_not_read_again(context_with: Callable[..., Context]) -> None:
    """A listing and a HEAD may tell an object's time to another precision."""
    context = context_with(keep_uploads_days=1)
    upload(context, "events/a.csv", events_csv("u,a,2026-01-01,1"))
    assert [run.state for run in drain(context)] == ["done"]
    assert drain(context) == []
    assert len(keys_under(context, "incoming/")) == len(keys_under(context, "runs/")) == 1


def test_what_can_never_succeed_is_recorded_and_answered_as_done(function: Caller, context: Context) -> None:
    gone = f"{context.keys.incoming_events}gone.csv"
    (run,) = runs_of(function.post("/", json=created(context, gone)))
    assert (run["state"], "is gone" in run["notices"][0]) == ("done", True)
    bad = upload(context, "events/bad.parquet", b"no Parquet")
    (run,) = runs_of(function.post("/", json=created(context, bad)))
    assert (run["state"], run["error"]["code"]) == ("refused", "file_rejected")
    stray = upload(context, "stray.csv", ITEMS)
    (run,) = runs_of(function.post("/", json=created(context, stray)))
    assert run["state"] == "refused"
    assert keys_under(context, "incoming/") == [stray]


@pytest.mark.parametrize("folder", ["", "events/", "events/november/", "items/", "erasures/"])
def test_an_event_of_a_folder_marker_is_nothing_to_do(function: Caller, context: Context, folder: str) -> None:
    marker = upload(context, folder, b"")
    assert runs_of(function.post("/", json=created(context, marker))) == []
    assert keys_under(context, "runs/") == keys_under(context, "quarantine/") == []
    assert keys_under(context, "incoming/") == [marker]


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"Records": 1}', b'{"Records": [{"s3": {}}]}', b"\xff"])
def test_a_malformed_webhook_is_the_callers_mistake(function: Caller, context: Context, body: bytes) -> None:
    upload(context, "events/a.csv", events_csv("u,a,2026-01-01,1"))
    answer = function.post("/", data=body)
    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"
    assert len(keys_under(context, "incoming/")) == 1


def test_without_the_token_nothing_happens(function: Caller, context: Context) -> None:
    upload(context, "events/a.csv", events_csv("u,a,2026-01-01,1"))
    assert function.post("/", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert keys_under(context, "runs/") == []


def ingest_apart(environment: dict[str, str], number: int, key: str) -> dict[str, int]:
    """With a cache and connections of its own, as another instance of the function has."""
    cache = f"{environment['RECSYS_CACHE_DIR']}-{number}"
    return ingest_object(make_context({**environment, "RECSYS_CACHE_DIR": cache}), key).counts


def test_eight_uploads_at_the_same_moment_count_exactly(context: Context, environment: dict[str, str]) -> None:
    """Each repeats rows of the next, so that what is a repeat depends on who lands first."""
    rows = [f"u{n % 5},i{n},2026-01-{1 + n % 28:02},1" for n in range(90)]
    keys = [upload(context, f"events/{n}.csv", events_csv(*rows[10 * n : 10 * n + 20])) for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda n: ingest_apart(environment, n, keys[n]), range(8)))
    assert sum(count["rows_kept"] for count in counts) == len(rows_of(context)) == 90
    assert sum(count["rows_repeated"] for count in counts) == 8 * 20 - 90
    assert keys_under(context, "incoming/") == []


def test_the_same_upload_delivered_eight_times_counts_once(context: Context, environment: dict[str, str]) -> None:
    key = upload(context, "events/a.csv", events_csv(*(f"u{n},i,2026-01-01,1" for n in range(50))))
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda n: ingest_apart(environment, n, key), range(8)))
    assert len(rows_of(context)) == 50
    assert sum(count.get("rows_kept", 0) for count in counts) == 50
    document = stored(context).document
    assert document is not None
    assert len(document.deltas) == len(document.commits) == 1
