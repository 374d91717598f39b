"""The object store over S3, for every store that speaks it: path-style addresses, signature version 4.

Endpoint and credentials come from the settings alone: the environment, profile and metadata chain of AWS is never
consulted. A client is made at its first use, because functions are imported in one process and run in its forks.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC
from functools import cached_property
from pathlib import Path
from typing import Any

from botocore.client import BaseClient
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session

from common.bucket.notifications import NotificationRule, RulesOutcome, set_rules
from common.bucket.port import CONFLICT, Blob, Conflict, ObjectInfo
from common.bucket.s3_errors import is_absent, is_conflict, translated
from common.config import Settings

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0
ATTEMPTS = 4
MAX_CONNECTIONS = 16
CHUNK_BYTES = 1 << 20
# Above this a file goes up in parts, so that a broken connection costs a part; at most two parts are in memory.
MULTIPART_BYTES = 64 << 20
PART_BYTES = 16 << 20
PARTS_AT_ONCE = 2

# botocore's own settings that it would otherwise look up in the environment or in files under the home directory.
_NO_AMBIENT: dict[str, tuple[None, None, Any, None]] = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


@dataclass(frozen=True)
class S3Location:
    endpoint: str
    region: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    bucket: str = ""


class S3Bucket:
    """See `port.Bucket` for the guarantees."""

    def __init__(self, location: S3Location) -> None:
        self._location = location
        self._lock = threading.RLock()

    @classmethod
    def from_settings(cls, settings: Settings) -> S3Bucket:
        return cls(
            S3Location(
                endpoint=settings.s3_endpoint,
                region=settings.s3_region,
                access_key=settings.s3_access_key.get_secret_value(),
                secret_key=settings.s3_secret_key.get_secret_value(),
                bucket=settings.bucket,
            )
        )

    def create(self) -> bool:
        """Makes the bucket itself; False if it is there already and belongs to these credentials."""
        region = {"LocationConstraint": self._location.region}
        with translated("create", self._location.bucket):
            try:
                self._client.create_bucket(Bucket=self._location.bucket, CreateBucketConfiguration=region)
            except self._client.exceptions.BucketAlreadyOwnedByYou:
                return False
            return True

    def set_rules(self, rules: Sequence[NotificationRule]) -> RulesOutcome:
        """Has the store announce new objects as `rules` say; see `notifications`."""
        return set_rules(self._client, self._location.bucket, rules)

    def get(self, key: str) -> Blob | None:
        with translated("read", key):
            answer = self._found(self._client.get_object, key)
            if answer is None:
                return None
            with closing(answer["Body"]) as body:
                data = body.read()
            return Blob(data, _info(key, answer, len(data)))

    def fetch(self, key: str, path: Path) -> ObjectInfo | None:
        with translated("read", key):
            answer = self._found(self._client.get_object, key)
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
            answer = self._found(self._client.head_object, key)
            return None if answer is None else _info(key, answer, answer["ContentLength"])

    def put(self, key: str, data: bytes | Path) -> str:
        with translated("write", key):
            if isinstance(data, bytes):
                return str(self._client.put_object(**self._named(key), Body=data)["ETag"])
            if data.stat().st_size > MULTIPART_BYTES:
                self._put_parts(key, data)
                return str(self._client.head_object(**self._named(key))["ETag"])
            with data.open("rb") as file:
                return str(self._client.put_object(**self._named(key), Body=file)["ETag"])

    def put_if(self, key: str, data: bytes, expect: str | None) -> str | Conflict:
        condition = {"IfNoneMatch": "*"} if expect is None else {"IfMatch": expect}
        with translated("write", key):
            try:
                answer = self._client_without_retries.put_object(**self._named(key), Body=data, **condition)
            except ClientError as error:
                if is_conflict(error, expect):
                    return CONFLICT
                raise
            return str(answer["ETag"])

    def delete(self, key: str) -> None:
        with translated("delete", key):
            self._client.delete_object(**self._named(key))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        with translated("list", prefix):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._location.bucket, Prefix=prefix)
            entries = [entry for page in pages for entry in page.get("Contents", ())]
        # Sorted here: SeaweedFS lists by path, so that `x/a` comes before `x-1`.
        for entry in sorted(entries, key=lambda entry: str(entry["Key"])):
            yield _info(entry["Key"], entry, entry["Size"])

    def _found(self, operation: Callable[..., dict[str, Any]], key: str) -> dict[str, Any] | None:
        try:
            return operation(**self._named(key))
        except ClientError as error:
            if is_absent(error):
                return None
            raise

    def _put_parts(self, key: str, path: Path) -> None:
        from s3transfer.manager import TransferConfig, TransferManager

        config = TransferConfig(
            multipart_threshold=MULTIPART_BYTES,
            multipart_chunksize=PART_BYTES,
            max_request_concurrency=PARTS_AT_ONCE,
            max_in_memory_upload_chunks=PARTS_AT_ONCE,
        )
        with TransferManager(self._client, config) as manager:
            manager.upload(str(path), self._location.bucket, key).result()

    def _named(self, key: str) -> dict[str, str]:
        return {"Bucket": self._location.bucket, "Key": key}

    @property
    def _client(self) -> BaseClient:
        with self._lock:
            return self._retrying

    @property
    def _client_without_retries(self) -> BaseClient:
        with self._lock:
            return self._once

    @cached_property
    def _retrying(self) -> BaseClient:
        return self._new_client(ATTEMPTS)

    @cached_property
    def _once(self) -> BaseClient:
        return self._new_client(1)

    @cached_property
    def _session(self) -> Session:
        return Session(session_vars=_NO_AMBIENT)

    def _new_client(self, attempts: int) -> BaseClient:
        return self._session.create_client(
            "s3",
            region_name=self._location.region,
            endpoint_url=self._location.endpoint,
            aws_access_key_id=self._location.access_key,
            aws_secret_access_key=self._location.secret_key,
            config=_config(attempts),
        )


def _config(attempts: int) -> Config:
    return Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        max_pool_connections=MAX_CONNECTIONS,
        # Most stores that speak S3 know neither the CRC trailers nor their validation.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )


def _info(key: str, answer: dict[str, Any], size: int) -> ObjectInfo:
    return ObjectInfo(key, answer["ETag"], size, answer["LastModified"].astimezone(UTC))
