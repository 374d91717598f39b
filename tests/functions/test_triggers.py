"""The HTTP side that ingest, update and train share, around a use case that a test chooses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.edges.bucket_events import ObjectEvent
from common.edges.triggers import MAX_BODY_BYTES, on_events
from common.errors import CommitContention, CorruptError, NotFound, RecsysError
from common.schemas.documents import RunRecord, RunState
from common.usecases.shared.context import Context
from tests.caller import Caller

EVENTS = Path(__file__).parents[1] / "contract" / "fixtures" / "events"
TOKEN = "a trigger's token"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}
ENV = {
    "RECSYS_BUCKET": "shop-data",
    "RECSYS_S3_ENDPOINT": "http://127.0.0.1:9",
    "RECSYS_S3_ACCESS_KEY": "access",
    "RECSYS_S3_SECRET_KEY": "secret",
    "RECSYS_PSEUDONYM_KEY": "0" * 32,
    "RECSYS_TRIGGER_TOKEN": TOKEN,
}
Work = Callable[[Context, list[ObjectEvent]], Sequence[RunRecord]]


def record(state: RunState = RunState.DONE) -> RunRecord:
    return RunRecord(run_id="run-1", function="ingest", state=state, started_at=datetime.now(UTC))


@pytest.fixture(autouse=True)
def settings_and_logs(fresh_logs: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)


def client_of(work: Work) -> Caller:
    return Caller(on_events("ingest", lambda keys: keys.incoming, work))


class Recorder:
    """A use case that does nothing and remembers what it was asked to do."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, ctx: Context, events: list[ObjectEvent]) -> list[RunRecord]:
        self.calls.append([event.key for event in events])
        return [record() for _ in events] or [record()]


def event(name: str) -> bytes:
    return (EVENTS / f"{name}.json").read_bytes()


def test_an_event_is_worked_on_and_its_runs_are_the_answer() -> None:
    work = Recorder()
    response = client_of(work).post("/", data=event("minio_put"), headers=AUTHORIZED)
    assert response.status_code == 200
    [run] = response.json["runs"]
    assert RunRecord.model_validate(run).state is RunState.DONE
    assert work.calls == [["incoming/events/a b+c ä.csv"]]


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_call_that_names_no_object_does_all_that_waits(body: bytes) -> None:
    work = Recorder()
    assert client_of(work).post("/", data=body, headers=AUTHORIZED).status_code == 200
    assert work.calls == [[]]


FOLDERS = ["minio_folder", "ceph_folder", "cloudevent_folder", "seaweedfs_folder"]


@pytest.mark.parametrize(
    "name", ["minio_delete", "minio_tagging", "aws_multipart", "seaweedfs_update", "seaweedfs_part", *FOLDERS]
)
def test_events_about_anything_else_are_ignored(name: str) -> None:
    work = Recorder()
    response = client_of(work).post("/", data=event(name), headers=AUTHORIZED)
    assert (response.status_code, response.json) == (200, {"runs": []})
    assert work.calls == []


def test_an_object_named_twice_in_one_call_is_worked_on_once() -> None:
    work = Recorder()
    content = json.loads(event("minio_put"))
    content["Records"] *= 2
    client_of(work).post("/", json=content, headers=AUTHORIZED)
    assert work.calls == [["incoming/events/a b+c ä.csv"]]


WRONG_TOKENS = ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x", TOKEN, "Bearer ☃"]


@pytest.mark.parametrize("authorization", WRONG_TOKENS)
def test_without_the_token_nothing_is_done(authorization: str) -> None:
    work = Recorder()
    headers = {"Authorization": authorization.encode().decode("latin-1")} if authorization else {}
    response = client_of(work).post("/", data=event("minio_put"), headers=headers)
    assert response.status_code == 401
    assert response.content_type == "application/problem+json"
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert TOKEN not in response.text
    assert work.calls == []


def test_a_deployment_without_a_token_is_open_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECSYS_TRIGGER_TOKEN")
    response = client_of(Recorder()).post("/", headers=AUTHORIZED)
    assert response.status_code == 500
    assert response.json["code"] == "setting"


def test_a_malformed_event_is_the_callers_mistake_and_repeats_nothing_of_the_call() -> None:
    response = client_of(Recorder()).post("/", data=b"<xml>hunter2</xml>", headers=AUTHORIZED)
    assert response.status_code == 400
    assert response.json["code"] == "bad_request"
    assert "hunter2" not in response.text
    assert TOKEN not in response.text


def test_a_body_over_the_limit_is_refused() -> None:
    work = Recorder()
    response = client_of(work).post("/", data=b" " * (MAX_BODY_BYTES + 1), headers=AUTHORIZED)
    assert response.status_code == 413
    assert work.calls == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("incoming/a.csv is gone"), 200),  # no later try can succeed: a store must not send it again
        (CommitContention("other writers won"), 503),
        (CorruptError("store/base-1 is damaged"), 500),
    ],
)
def test_only_what_a_later_try_can_help_is_answered_so(error: RecsysError, status: int) -> None:
    def work(ctx: Context, events: list[ObjectEvent]) -> list[RunRecord]:
        raise error

    response = client_of(work).post("/", data=event("minio_put"), headers=AUTHORIZED)
    assert response.status_code == status
    assert error.code in response.text
    assert ("Retry-After" in response.headers) == (status == 503)
    assert (error.message in response.text) == (status != 500)


def test_health_and_metrics_need_no_token() -> None:
    def work(ctx: Context, events: list[ObjectEvent]) -> list[RunRecord]:
        return [record(), record(RunState.REFUSED)]

    client = client_of(work)
    client.post("/", headers=AUTHORIZED)
    client.post("/")
    assert client.get("/healthz").json == {"status": "ok"}
    metrics = client.get("/metrics").text
    for outcome in ("done", "refused", "unauthorized"):
        assert re.search(rf'recsys_runs_total{{function="ingest",outcome="{outcome}"}} 1\.0', metrics)
    assert 'recsys_call_seconds_count{function="ingest"} 2.0' in metrics


def test_an_unforeseen_error_is_counted_and_told_to_the_log_only(capsys: pytest.CaptureFixture[str]) -> None:
    def work(ctx: Context, events: list[ObjectEvent]) -> list[RunRecord]:
        raise ZeroDivisionError("of a person's own")

    client = client_of(work)
    response = client.post("/", headers=AUTHORIZED)
    assert (response.status_code, response.content_type) == (500, "application/problem+json")
    assert "person" not in response.text
    assert "ZeroDivisionError: of a person's own" in capsys.readouterr().err
    assert 'outcome="internal"} 1.0' in client.get("/metrics").text


@pytest.mark.parametrize("error", [CorruptError("store/base-1 is damaged"), ZeroDivisionError()])
def test_log_header_and_body_name_the_request_alike(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    def work(ctx: Context, events: list[ObjectEvent]) -> list[RunRecord]:
        raise error

    response = client_of(work).post("/", headers={**AUTHORIZED, "X-Request-Id": "shop-42"})
    [line] = capsys.readouterr().err.splitlines()
    assert (
        json.loads(line)["request_id"] == response.headers["X-Request-Id"] == response.json["request_id"] == "shop-42"
    )


@pytest.mark.parametrize("hostile", ["", "x" * 65, 'a"} b', "ann@shop.example"])
def test_an_id_that_is_none_is_replaced(hostile: str) -> None:
    response = client_of(Recorder()).post("/else", headers={**AUTHORIZED, "X-Request-Id": hostile})
    assert response.headers["X-Request-Id"] == response.json["request_id"]
    assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-Id"])


def test_what_succeeds_is_named_too() -> None:
    response = client_of(Recorder()).post("/", headers={**AUTHORIZED, "X-Request-Id": "shop-42"})
    assert (response.status_code, response.headers["X-Request-Id"]) == (200, "shop-42")


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 405), ("PUT", "/", 405), ("POST", "/else", 404)])
def test_other_paths_and_methods(method: str, path: str, status: int) -> None:
    assert client_of(Recorder()).open(path, method, headers=AUTHORIZED).status_code == status
