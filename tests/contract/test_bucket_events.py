"""The bodies in fixtures/events are what the stores send, field for field."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from common.edges.bucket_events import Dialect, EventKind, ObjectEvent, parse
from common.errors import BadRequest

EVENTS = Path(__file__).parent / "fixtures" / "events"
CREATED, REMOVED, OTHER = EventKind.CREATED, EventKind.REMOVED, EventKind.OTHER

EXPECTED = {
    "minio_put": (CREATED, "shop-data", "incoming/events/a b+c ä.csv"),
    "minio_delete": (REMOVED, "shop-data", "incoming/events/a.csv"),
    "minio_tagging": (OTHER, "shop-data", "incoming/events/a.csv"),
    "rustfs_put": (CREATED, "shop-data", "incoming/items/items.csv"),
    "ceph_put": (CREATED, "shop-data", "incoming/events/a b+c%20.csv"),
    "aws_multipart": (CREATED, "shop.data.eu", "incoming/events/year.parquet"),
    "cloudevent_structured": (CREATED, "shop-data", "incoming/events/a b.csv"),
    "cloudevent_without_data": (REMOVED, "shop.data.eu", "incoming/events/50% off.csv"),
    "seaweedfs_create": (CREATED, "shop-data", "incoming/events/a b+c%20.csv"),
    "seaweedfs_update": (CREATED, "shop-data", "store/current.json"),
    "seaweedfs_rename": (CREATED, "shop-data", "incoming/events/a.csv"),
    "seaweedfs_delete": (REMOVED, "shop-data", "incoming/events/a.csv"),
    "seaweedfs_directory": (OTHER, "shop-data", "incoming/events"),
    "minio_folder": (OTHER, "shop-data", "incoming/events/"),
    "ceph_folder": (OTHER, "shop-data", "incoming/events/"),
    "cloudevent_folder": (OTHER, "shop-data", "incoming/events/"),
    "seaweedfs_folder": (OTHER, "shop-data", "incoming/events"),
    "seaweedfs_part": (OTHER, "shop-data", ".uploads/0d6a3f17b2/0001.part"),
    "seaweedfs_version": (OTHER, "shop-data", "incoming/events/a.csv.versions/v_6a2f"),
}


def read(name: str) -> bytes:
    return (EVENTS / f"{name}.json").read_bytes()


def short(event: ObjectEvent) -> tuple[EventKind, str, str]:
    return event.kind, event.bucket, event.key


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_every_dialect_names_its_object(name: str) -> None:
    [event] = parse({"Content-Type": "application/json"}, read(name))
    assert short(event) == EXPECTED[name]
    dialect = name.partition("_")[0]
    assert event.dialect == {"seaweedfs": Dialect.SEAWEEDFS, "cloudevent": Dialect.CLOUDEVENT}.get(
        dialect, Dialect.RECORDS
    )


def test_every_fixture_is_tested() -> None:
    assert {path.stem for path in EVENTS.glob("*.json")} == set(EXPECTED) | {"aws_test_event"}


def test_a_form_encoded_key_is_decoded_once() -> None:
    body = read("minio_put").replace(b"incoming%2Fevents%2Fa+b%2Bc+%C3%A4.csv", b"incoming%2Fa%2520b.csv")
    [event] = parse({}, body)
    assert event.key == "incoming/a%20b.csv"


def test_ceph_may_send_its_records_as_a_cloudevent() -> None:
    headers = {
        "ce-specversion": "1.0",
        "ce-type": "com.amazonaws.ObjectCreated:Put",
        "ce-source": "ceph:s3.default.shop-data",
        "ce-subject": "incoming/events/a b+c%20.csv",
    }
    [event] = parse(headers, read("ceph_put"))
    assert short(event) == EXPECTED["ceph_put"]


def test_the_etag_of_records_is_kept() -> None:
    [event] = parse({}, read("minio_put"))
    assert event.etag == "702314f4c1a1b8a7d8d3b1c7e4f0a9b2"


def test_several_records_come_in_their_order() -> None:
    first, second = (json.loads(read(name))["Records"][0] for name in ("rustfs_put", "minio_delete"))
    events = parse({}, json.dumps({"Records": [first, second]}).encode())
    assert [short(event) for event in events] == [EXPECTED["rustfs_put"], EXPECTED["minio_delete"]]


def binary_headers(**changes: str) -> dict[str, str]:
    attributes = json.loads(read("cloudevent_structured"))
    names = ("specversion", "id", "source", "type", "subject")
    return {f"Ce-{name.title()}": changes.get(name, attributes[name]) for name in names}


def test_a_binary_cloudevent_with_the_record_as_data() -> None:
    data = json.loads(read("cloudevent_structured"))["data"]
    [event] = parse(binary_headers(), json.dumps(data).encode())
    assert short(event) == EXPECTED["cloudevent_structured"]


def test_a_binary_cloudevent_without_data_is_named_by_its_subject_percent_decoded_once() -> None:
    [event] = parse(binary_headers(subject="incoming/events/50%25%20off+.csv"), b"")
    assert short(event) == (CREATED, "shop-data", "incoming/events/50% off+.csv")


@pytest.mark.parametrize("data", [b"", read("minio_folder")])
def test_a_binary_cloudevent_of_a_folder_is_about_no_upload(data: bytes) -> None:
    [event] = parse(binary_headers(subject="incoming/events/"), data)
    assert short(event) == (OTHER, "shop-data", "incoming/events/")


def test_a_structured_cloudevent_with_base64_data() -> None:
    content = json.loads(read("cloudevent_structured"))
    content["data_base64"] = base64.b64encode(json.dumps(content.pop("data")).encode()).decode()
    [event] = parse({"content-type": "application/cloudevents+json; charset=utf-8"}, json.dumps(content).encode())
    assert short(event) == EXPECTED["cloudevent_structured"]


@pytest.mark.parametrize("body", [b"", b" \n", b"{}", read("aws_test_event")])
def test_a_call_that_names_no_object(body: bytes) -> None:
    assert parse({}, body) == []


def test_a_timer_names_no_object() -> None:
    headers = binary_headers(type="dev.knative.sources.ping")
    assert parse(headers, b'{"reason":"nightly"}') == []


MALFORMED: dict[str, tuple[dict[str, str], Any]] = {
    "not JSON": ({}, b"<xml/>"),
    "not UTF-8": ({}, b'{"a": "\xff\xfe"}'),
    "nested too deep": ({}, b"[" * 200_000),
    "a list": ({}, []),
    "some other object": ({}, {"hello": "world"}),
    "Records not a list": ({}, {"Records": "x"}),
    "Records null": ({}, {"Records": None}),
    "a record without s3": ({}, {"Records": [{"eventName": "s3:ObjectCreated:Put"}]}),
    "a record without a key": (
        {},
        {"Records": [{"eventName": "x", "s3": {"bucket": {"name": "b"}, "object": {"key": ""}}}]},
    ),
    "a CloudEvent without a type": ({"ce-specversion": "1.0", "ce-source": "s"}, {}),
    "a CloudEvent of another type": ({"ce-specversion": "1.0", "ce-source": "s", "ce-type": "io.secret.type"}, {}),
    "a CloudEvent that names nothing": (
        {"ce-specversion": "1.0", "ce-source": "s", "ce-type": "com.amazonaws.s3.ObjectCreated:Put"},
        {},
    ),
    "data that is not base64": (
        {},
        {"specversion": "1.0", "type": "x.ObjectCreated:Put", "source": "s", "data_base64": "§"},
    ),
    "a filer event without a message": ({}, {"event_type": "create", "key": "/buckets/b/k"}),
}


@pytest.mark.parametrize("name", sorted(MALFORMED))
def test_what_is_malformed_is_refused_without_repeating_headers(name: str) -> None:
    headers, content = MALFORMED[name]
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    secret = {"Authorization": "Bearer hunter2", "X-Forwarded-For": "192.0.2.7"}
    with pytest.raises(BadRequest) as caught:
        parse({**headers, **secret}, body)
    for value in (*headers.values(), *secret.values()):
        assert value == "s" or value not in caught.value.message
