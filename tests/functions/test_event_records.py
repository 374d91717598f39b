"""Records of one event, each decided by itself: whatever one of them names, the uploads of the others are taken in."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.bucket.keys import MAX_KEY_BYTES, key_problem
from common.usecases.shared.context import Context
from tests.caller import Caller, client_of
from tests.store.shop import events_csv, keys_under, rows_of

pytestmark = pytest.mark.s3

MANY = 3_000
NO_KEYS = {
    "parent": "incoming/events/../events/a.csv",
    "dot": "incoming/events/./a.csv",
    "ends in parent": "incoming/events/..",
    "NUL": "incoming/events/a\0.csv",
    "too long": "incoming/events/" + "x" * MAX_KEY_BYTES,
    "too long in UTF-8": "incoming/events/" + "ä" * (MAX_KEY_BYTES // 2),
}
STRANGE = {
    "backslashes": "incoming\\events\\a.csv",
    "encoded twice": quote(quote_plus("incoming/events/a.csv")),
    "absolute": "/incoming/events/a.csv",
    "a newline": "incoming/events/a\nb.csv",
    "a folder": "incoming/events/",
    "elsewhere": "somewhere/else.csv",
}
MALFORMED: dict[str, Any] = {
    "no object": {"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": "b"}}},
    "empty key": {"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": ""}}},
    "null": None,
    "text": "record",
    "half of a character": {
        "eventName": "s3:ObjectCreated:Put",
        "s3": {"bucket": {"name": "b"}, "object": {"key": "incoming/events/\ud800.csv"}},
    },
}


@pytest.fixture
def function(environment: dict[str, str], fresh_logs: None, monkeypatch: pytest.MonkeyPatch) -> Caller:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    client = client_of("ingest")
    client.always["Authorization"] = f"Bearer {environment['RECSYS_TRIGGER_TOKEN']}"
    return client


def record(ctx: Context, key: str) -> dict[str, Any]:
    name = {"name": ctx.settings.bucket}
    return {"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": name, "object": {"key": quote_plus(key)}}}


def own(ctx: Context, key: str) -> str:
    """The key under the shop's own prefix."""
    return key if key.startswith("/") else ctx.keys.prefix + key


def call(function: Caller, records: list[Any]) -> list[dict[str, Any]]:
    answer = function.post("/", data=json.dumps({"Records": records}))
    assert answer.status_code == 200, answer.data
    runs: list[dict[str, Any]] = json.loads(answer.data)["runs"]
    return runs


def upload(ctx: Context, name: str, item: str) -> str:
    key = f"{ctx.keys.incoming_events}{name}"
    ctx.bucket.put(key, events_csv(f"u,{item},2026-01-01,1"))
    return key


@pytest.mark.parametrize("name", [*NO_KEYS, *STRANGE])
def test_a_strange_key_alone_is_answered_as_done(function: Caller, context: Context, name: str) -> None:
    """A store that got another answer would send the event for ever."""
    runs = call(function, [record(context, own(context, (NO_KEYS | STRANGE)[name]))])
    assert [run["state"] for run in runs] == (["refused"] if name in NO_KEYS else [run["state"] for run in runs])
    assert all(run["counts"] == {"records_refused": 1} for run in runs if run["state"] == "refused")


@pytest.mark.parametrize("name", [*NO_KEYS, *STRANGE, *MALFORMED])
def test_beside_a_strange_record_the_others_are_taken_in(function: Caller, context: Context, name: str) -> None:
    first, last = upload(context, "first.csv", "a"), upload(context, "last.csv", "b")
    keys = NO_KEYS | STRANGE
    strange = record(context, own(context, keys[name])) if name in keys else MALFORMED[name]
    runs = call(function, [record(context, first), strange, record(context, last)])
    assert [row[1] for row in rows_of(context)] == ["a", "b"]
    assert keys_under(context, "incoming/") == []
    refused = [run for run in runs if run["state"] == "refused"]
    assert len(refused) == (name in {**NO_KEYS, **MALFORMED})
    for run in refused:
        assert run["counts"] == {"records_refused": 1}
        assert "incoming/events/" in run["error"]["message"] or "Records.1" in run["error"]["message"]


def test_a_message_about_a_key_holds_no_character_of_it_as_it_came(function: Caller, context: Context) -> None:
    [run] = call(function, [record(context, own(context, "incoming/events/\0" + "ö" * 500))])
    assert run["error"]["message"].isascii()
    assert len(run["error"]["message"]) < 400


RECORDS = st.lists(
    st.one_of(
        st.tuples(st.just("upload"), st.integers(0, 4)),
        st.tuples(st.just("gone"), st.integers(0, 9)),
        st.tuples(st.just("no key"), st.sampled_from(sorted(NO_KEYS))),
        st.tuples(st.just("strange"), st.sampled_from(sorted(STRANGE))),
        st.tuples(st.just("malformed"), st.sampled_from(sorted(MALFORMED))),
    ),
    max_size=9,
)


@given(named=RECORDS)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_an_event_names_its_uploads_are_taken_in(
    function: Caller, context: Context, named: list[tuple[str, Any]]
) -> None:
    kinds = Counter(kind for kind, _ in named)
    if kinds["malformed"] == len(named):
        return  # a list without one record is no event
    before = Counter(row[1] for row in rows_of(context))
    records: list[Any] = []
    uploads = {number: upload(context, f"{number}.csv", f"item-{number}") for kind, number in named if kind == "upload"}
    for kind, value in named:
        if kind == "malformed":
            records.append(MALFORMED[value])
            continue
        key = {"upload": uploads.get(value), "gone": f"{context.keys.incoming_events}gone-{value}.csv"}.get(kind)
        records.append(record(context, key or own(context, (NO_KEYS | STRANGE)[value])))
    runs = call(function, records)
    assert keys_under(context, "incoming/") == []
    stored = Counter(row[1] for row in rows_of(context))
    assert set(stored) == set(before) | {f"item-{number}" for number in uploads}
    refused = sum(run["counts"].get("records_refused", 0) for run in runs)
    assert refused == kinds["no key"] + kinds["malformed"]
    assert len(runs) <= len(uploads) + 2


def test_many_absent_objects_share_one_record_and_those_that_are_there_are_taken_in(
    function: Caller, context: Context
) -> None:
    keys = [f"{context.keys.incoming_events}{number}" for number in range(MANY)]
    first, last = upload(context, "first.csv", "a"), upload(context, "last.csv", "b")
    runs = call(function, [record(context, key) for key in (first, *keys, last)])
    assert [row[1] for row in rows_of(context)] == ["a", "b"]
    assert len(keys_under(context, "runs/")) == len(runs) == 3
    assert runs[-1]["counts"] == {"objects_gone": MANY}
    assert len(json.dumps(runs[-1])) < 3_000


@pytest.mark.parametrize("key", ["incoming/events/a.csv", "incoming/events/a\\b..csv", "ä/" + "x" * 1_000])
def test_what_an_object_may_be_called(key: str) -> None:
    assert key_problem(key) is None


@pytest.mark.parametrize("key", [*NO_KEYS.values(), "\ud800", "", "/a"])
def test_what_no_object_is_called(key: str) -> None:
    assert key_problem(key)
