"""The bucket in any object store that speaks S3."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, ClassVar

from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError

from common.bucket.notifications import NotificationRule, RulesOutcome, set_rules
from common.bucket.port import CONFLICT, Blob, Conflict, ObjectInfo
from common.bucket.s3_clients import S3Clients, S3Location
from common.bucket.s3_errors import is_absent, is_conflict, is_not_built, translated
from common.config import Settings
from common.errors import BucketUnavailable


def purge_versions(client: BaseClient, bucket: str, prefix: str) -> int:
    """Implements `Bucket.purge_versions`. Delete markers go last, or an older version would become current again."""
    try:
        versions, markers = _listed(client, bucket, prefix)
    except ClientError as error:
        if is_not_built(error):
            return 0
        raise
    for version in versions:
        client.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
    for marker in markers:
        client.delete_object(Bucket=bucket, Key=marker["Key"], VersionId=marker["VersionId"])
    return len(versions)


def _listed(client: BaseClient, bucket: str, prefix: str) -> tuple[list[Any], list[Any]]:
    """The noncurrent versions, and the delete markers."""
    pages = list(client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix))
    versions = [entry for page in pages for entry in page.get("Versions", ()) if _is_old(entry)]
    return versions, [entry for page in pages for entry in page.get("DeleteMarkers", ())]


def _is_old(entry: dict[str, Any]) -> bool:
    """A store that keeps no versions lists each object as its latest version."""
    return not entry["IsLatest"]


CHUNK_BYTES = 1 << 20
# Above this a file goes up in parts, so that a broken connection costs a part; at most two parts are in memory.
MULTIPART_BYTES = 64 << 20
PART_BYTES = 16 << 20
PARTS_AT_ONCE = 2


class S3Bucket:
    """A `port.Bucket` in an S3 object store."""

    at_once: ClassVar[int] = 4
    """Few, because an upload in parts keeps two parts of `PART_BYTES` in memory."""

    def __init__(self, location: S3Location) -> None:
        self._name = location.bucket
        self._clients = S3Clients(location)

    @classmethod
    def from_settings(cls, settings: Settings) -> S3Bucket:
        return cls(S3Location.from_settings(settings))

    def create(self) -> bool:
        """Creates the bucket. Returns False if it exists already and belongs to these credentials."""
        region = {"LocationConstraint": self._clients.location.region}
        with translated("create", self._name):
            try:
                self._clients.retrying.create_bucket(Bucket=self._name, CreateBucketConfiguration=region)
            except self._clients.retrying.exceptions.BucketAlreadyOwnedByYou:
                return False
            return True

    def set_rules(self, rules: Sequence[NotificationRule]) -> RulesOutcome:
        """Makes the object store announce new objects by `rules`; see `notifications.set_rules`."""
        return set_rules(self._clients.retrying, self._name, rules)

    def server(self) -> str:
        """From the header `Server`. Empty also for a key that may not ask for the bucket itself."""
        with suppress(ClientError, BotoCoreError):
            answer = self._clients.retrying.head_bucket(Bucket=self._name)
            return str(answer["ResponseMetadata"]["HTTPHeaders"].get("server", ""))
        return ""

    def now(self) -> datetime:
        """From the header `Date` of an answer."""
        with translated("ask for the time of", self._name):
            try:
                answer = self._clients.retrying.head_bucket(Bucket=self._name)
            except ClientError as error:
                if "date" not in error.response["ResponseMetadata"].get("HTTPHeaders", {}):
                    raise
                answer = error.response  # a key that may not ask for the bucket is told the time, too
            return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])

    def get(self, key: str) -> Blob | None:
        with translated("read", key):
            answer = self._found(self._clients.retrying.get_object, key)
            if answer is None:
                return None
            with closing(answer["Body"]) as body:
                data = body.read()
            return Blob(data, _info(key, answer, len(data)))

    def fetch(self, key: str, path: Path) -> ObjectInfo | None:
        with translated("read", key):
            answer = self._found(self._clients.retrying.get_object, key)
            if answer is None:
                return None
            partial = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.partial")
            try:
                with closing(answer["Body"]) as body, partial.open("wb") as file:
                    for chunk in body.iter_chunks(CHUNK_BYTES):
                        file.write(chunk)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
            return _info(key, answer, answer["ContentLength"])

    def head(self, key: str) -> ObjectInfo | None:
        with translated("read", key):
            answer = self._found(self._clients.retrying.head_object, key)
            return None if answer is None else _info(key, answer, answer["ContentLength"])

    def put(self, key: str, data: bytes | Path) -> str:
        with translated("write", key):
            if isinstance(data, bytes):
                return str(self._clients.retrying.put_object(**self._named(key), Body=data)["ETag"])
            if data.stat().st_size > MULTIPART_BYTES:
                self._put_parts(key, data)
                return str(self._clients.retrying.head_object(**self._named(key))["ETag"])
            with data.open("rb") as file:
                return str(self._clients.retrying.put_object(**self._named(key), Body=file)["ETag"])

    def put_if(self, key: str, data: bytes, expect: str | None) -> str | Conflict:
        condition = {"IfNoneMatch": "*"} if expect is None else {"IfMatch": expect}
        with translated("write", key):
            try:
                answer = self._clients.once.put_object(**self._named(key), Body=data, **condition)
            except ClientError as error:
                if is_conflict(error, expect):
                    return CONFLICT
                raise
            return str(answer["ETag"])

    def delete(self, key: str) -> None:
        with translated("delete", key):
            self._clients.retrying.delete_object(**self._named(key))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        with translated("list", prefix):
            pages = self._clients.retrying.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix)
            found, ends = [], True
            for page in pages:
                found += [_info(entry["Key"], entry, entry["Size"]) for entry in page.get("Contents", ())]
                ends = not page.get("IsTruncated", False)
        if not ends:
            raise BucketUnavailable(f"the list of {prefix} ended early: it has more pages and does not say where")
        # Sorted here: SeaweedFS lists by path, so that `x/a` comes before `x-1`.
        yield from sorted(found, key=lambda info: info.key)

    def purge_versions(self, prefix: str) -> int:
        with translated("delete versions under", prefix):
            return purge_versions(self._clients.retrying, self._name, prefix)

    def _found(self, operation: Callable[..., dict[str, Any]], key: str) -> dict[str, Any] | None:
        try:
            return operation(**self._named(key))
        except ClientError as error:
            if is_absent(error):
                return None
            raise

    def _put_parts(self, key: str, path: Path) -> None:
        # Imported here: only writers of large files need it.
        from s3transfer.manager import TransferConfig, TransferManager

        config = TransferConfig(
            multipart_threshold=MULTIPART_BYTES,
            multipart_chunksize=PART_BYTES,
            max_request_concurrency=PARTS_AT_ONCE,
            max_in_memory_upload_chunks=PARTS_AT_ONCE,
        )
        with TransferManager(self._clients.retrying, config) as manager:
            manager.upload(str(path), self._name, key).result()

    def _named(self, key: str) -> dict[str, str]:
        return {"Bucket": self._name, "Key": key}


def _info(key: str, answer: dict[str, Any], size: int) -> ObjectInfo:
    return ObjectInfo(key, answer["ETag"], size, answer["LastModified"].astimezone(UTC))
