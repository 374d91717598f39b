"""The S3 clients of one bucket: path-style addresses, signature version 4, bounded timeouts and retries.

Endpoint and credentials come from the settings only; AWS's environment variables, profiles and metadata service are not
used. A client is made at its first use, because functions are imported in one process and run in its forks.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from botocore.client import BaseClient
from botocore.config import Config
from botocore.session import Session

from common.bucket.s3_time import bound_requests
from common.config import Settings

CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 30.0
ATTEMPTS = 4
MAX_CONNECTIONS = 16

# These keep botocore from reading its settings from the environment or from files under the home directory.
_NO_AMBIENT: dict[str, tuple[None, None, Any, None]] = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


@dataclass(frozen=True)
class S3Location:
    """The endpoint, region and name of a bucket, and the credentials for it."""

    endpoint: str
    region: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    bucket: str

    @classmethod
    def from_settings(cls, settings: Settings) -> S3Location:
        return cls(
            endpoint=settings.s3_endpoint,
            region=settings.s3_region,
            access_key=settings.s3_access_key.get_secret_value(),
            secret_key=settings.s3_secret_key.get_secret_value(),
            bucket=settings.bucket,
        )


class S3Clients:
    """Two clients: `retrying` repeats failed calls, `once` does not and serves conditional PUTs (see the port)."""

    def __init__(self, location: S3Location) -> None:
        self.location = location
        self._lock = threading.RLock()

    @property
    def retrying(self) -> BaseClient:
        with self._lock:
            return self._retrying

    @property
    def once(self) -> BaseClient:
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
        client = self._session.create_client(
            "s3",
            region_name=self.location.region,
            endpoint_url=self.location.endpoint,
            aws_access_key_id=self.location.access_key,
            aws_secret_access_key=self.location.secret_key,
            config=_config(attempts),
        )
        return bound_requests(client)


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
