"""Bucket events of all known dialects, parsed into one form.

* `Records[]` of MinIO, RustFS, Ceph and AWS: the object key is form-encoded, except by Ceph (its `rgw_pubsub.cc`). The
  event name may have the prefix `s3:`. A change of tags or retention also comes as `ObjectCreated`.
* CloudEvents, binary and structured, whose type ends in such an event name (the CloudEvents adapter for S3).
* The webhook of SeaweedFS's filer: paths are under `/buckets/<bucket>/` and not encoded, an overwrite is an `update`,
  and directories, parts of multipart uploads and stored versions are reported too.

Each record of a list is read by itself: one that is malformed, or whose key no object can have, says so and leaves the
others as they are.

An event is only a hint: its handler reads the object itself. So only the name of the object is taken from an event, and
no address, user agent or header gets into a log or an answer.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar
from urllib.parse import unquote, unquote_plus

from pydantic import BaseModel, Field, ValidationError

from common.bucket.keys import is_no_upload, key_problem
from common.errors import BadRequest

_CREATED_BY = frozenset({"Put", "Post", "Copy", "CompleteMultipartUpload"})
_PING = "dev.knative.sources.ping"
_FILER_ROOT = "/buckets/"
_CEPH = "ceph:s3"
_LONGEST_ETAG = 256

M = TypeVar("M", bound=BaseModel)


class EventKind(StrEnum):
    """The kind of an event. CREATED: new content. REMOVED: a deletion. OTHER: changed tags, or a folder
    marker. UNUSABLE: it names nothing that can be an object."""

    CREATED = "created"
    REMOVED = "removed"
    OTHER = "other"
    UNUSABLE = "unusable"


class Dialect(StrEnum):
    """The dialect in which an event came; the module's docstring describes each."""

    RECORDS = "records"
    CLOUDEVENT = "cloudevent"
    SEAWEEDFS = "seaweedfs"


@dataclass(frozen=True)
class ObjectEvent:
    """An event about one object. `key` is decoded; `etag` may be spelled differently from the object store's.

    `problem` says what is wrong with an unusable one; its key and bucket are empty if it is malformed."""

    kind: EventKind
    bucket: str
    key: str
    etag: str | None
    dialect: Dialect
    problem: str = ""


def parse(headers: Mapping[str, str], body: bytes) -> list[ObjectEvent]:
    """Returns the events of a call; an empty list if it names no object (no body, `{}`, a timer, a test event).

    Raises `BadRequest` for a body in no known dialect, also for a list in which not one record is well-formed. Its
    message never quotes a header.
    """
    return [_checked_key(event) for event in _read(headers, body)]


def _checked_key(event: ObjectEvent) -> ObjectEvent:
    if event.kind is not EventKind.CREATED:
        return event
    if is_no_upload(event.key):
        return replace(event, kind=EventKind.OTHER)
    problem = key_problem(event.key)
    return replace(event, kind=EventKind.UNUSABLE, problem=problem) if problem else event


def _read(headers: Mapping[str, str], body: bytes) -> list[ObjectEvent]:
    lower = {name.lower(): value for name, value in headers.items()}
    if "ce-specversion" in lower:
        attributes = {name.removeprefix("ce-"): unquote(value) for name, value in lower.items() if name[:3] == "ce-"}
        return _from_cloudevent(attributes, _json_object(body))
    content = _json_object(body)
    if lower.get("content-type", "").startswith("application/cloudevents") or "specversion" in content:
        return _from_cloudevent(content, _data(content))
    if "Records" in content:
        return _from_records(content, Dialect.RECORDS)
    if "event_type" in content:
        return _from_filer(content)
    if not content or content.get("Event") == "s3:TestEvent":
        return []
    raise BadRequest("the body is no bucket event: expected Records[], a CloudEvent or a SeaweedFS filer event")


class _Bucket(BaseModel):
    name: str = Field(min_length=1)


class _Object(BaseModel):
    key: str = Field(min_length=1)
    etag: str | None = Field(None, alias="eTag", max_length=_LONGEST_ETAG)


class _S3(BaseModel):
    bucket: _Bucket
    object: _Object


class _Record(BaseModel):
    event_name: str = Field(alias="eventName")
    event_source: str = Field("", alias="eventSource")
    s3: _S3


class _Records(BaseModel):
    records: list[Any] = Field(alias="Records")


class _CloudEvent(BaseModel):
    type: str
    source: str
    subject: str | None = None


class _Entry(BaseModel):
    name: str = ""
    is_directory: bool = False


class _FilerMessage(BaseModel):
    new_entry: _Entry | None = None
    old_entry: _Entry | None = None
    new_parent_path: str = ""


class _FilerEvent(BaseModel):
    key: str
    message: _FilerMessage


def _json_object(body: bytes) -> dict[str, Any]:
    if not body.strip():
        return {}
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("the body is not JSON") from None
    if not isinstance(content, dict):
        raise BadRequest("the body is JSON but not an object")
    return content


def _checked(model: type[M], content: Mapping[str, Any], what: str) -> M:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        field = ".".join(map(str, first["loc"]))
        raise BadRequest(f"the body is no {what}: {field}: {first['msg']}") from None


def _kind(event_name: str) -> EventKind:
    group, _, operation = event_name.removeprefix("s3:").partition(":")
    if group == "ObjectCreated" and operation in _CREATED_BY:
        return EventKind.CREATED
    removed = group == "ObjectRemoved" or group.startswith("Lifecycle")
    return EventKind.REMOVED if removed else EventKind.OTHER


def _from_records(content: Mapping[str, Any], dialect: Dialect) -> list[ObjectEvent]:
    records = _checked(_Records, content, "list of S3 event records").records
    events = [_listed(number, record, dialect) for number, record in enumerate(records)]
    if events and all(event.bucket == "" for event in events):
        raise BadRequest(events[0].problem)
    return events


def _listed(number: int, content: Any, dialect: Dialect) -> ObjectEvent:
    try:
        return _from_record(_checked(_Record, content, f"list of S3 event records: Records.{number}"), dialect)
    except BadRequest as error:
        return ObjectEvent(EventKind.UNUSABLE, "", "", None, dialect, error.message)


def _from_record(record: _Record, dialect: Dialect) -> ObjectEvent:
    item = record.s3.object
    key = item.key if record.event_source == _CEPH else unquote_plus(item.key)
    return ObjectEvent(_kind(record.event_name), record.s3.bucket.name, key, item.etag, dialect)


def _data(content: Mapping[str, Any]) -> dict[str, Any]:
    """The data of a structured CloudEvent."""
    if "data_base64" in content:
        try:
            return _json_object(base64.b64decode(str(content["data_base64"]), validate=True))
        except ValueError:
            raise BadRequest("the body is no CloudEvent: data_base64 is not base64") from None
    data = content.get("data", {})
    return data if isinstance(data, dict) else {}


def _from_cloudevent(attributes: Mapping[str, Any], data: Mapping[str, Any]) -> list[ObjectEvent]:
    event = _checked(_CloudEvent, attributes, "CloudEvent")
    if event.type == _PING:
        return []
    event_name = event.type.rpartition(".")[2]
    if ":" not in event_name:
        raise BadRequest(
            "the CloudEvent's type is not that of a bucket event, such as com.amazonaws.s3.ObjectCreated:Put"
        )
    if "Records" in data:
        return _from_records(data, Dialect.CLOUDEVENT)
    if "s3" in data:
        record = _checked(_Record, {"eventName": event_name, **data}, "S3 event record")
        return [_from_record(record, Dialect.CLOUDEVENT)]
    # The adapter writes the source as eventSource.awsRegion.bucket, and a bucket's name may hold dots.
    bucket = event.source.split(".", 2)[-1]
    if not event.subject:
        raise BadRequest("the CloudEvent names no object: it has neither a subject nor an S3 event record as data")
    return [ObjectEvent(_kind(event_name), bucket, event.subject, None, Dialect.CLOUDEVENT)]


def _from_filer(content: Mapping[str, Any]) -> list[ObjectEvent]:
    event = _checked(_FilerEvent, content, "SeaweedFS filer event")
    entry = event.message.new_entry or event.message.old_entry
    path = event.key
    if event.message.new_entry and event.message.old_entry and event.message.new_parent_path:
        # `key` is the old path: after a rename the object is at the new one.
        path = f"{event.message.new_parent_path}/{event.message.new_entry.name}"
    bucket, _, key = path.removeprefix(_FILER_ROOT).partition("/")
    kind = EventKind.CREATED if event.message.new_entry else EventKind.REMOVED
    if entry is None or entry.is_directory or not path.startswith(_FILER_ROOT) or not key or _internal(key):
        kind = EventKind.OTHER
    return [ObjectEvent(kind, bucket, key, None, Dialect.SEAWEEDFS)]


def _internal(key: str) -> bool:
    """Whether a filer path is one of SeaweedFS's own: parts of an upload that is under way, or stored versions."""
    folders = key.split("/")[:-1]
    return folders[:1] == [".uploads"] or any(folder.endswith(".versions") for folder in folders)
