"""HTTP calls on the loopback interface. A call returns an answer, or None if there was none."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3

POLL_S = 0.1
LOG_LINES = 15
_POOL = urllib3.PoolManager(maxsize=16)


class StartError(Exception):
    """A part of the stack did not start; the message says why, or holds the end of the part's log."""


@dataclass(frozen=True)
class Answer:
    """The status and the body of an HTTP answer."""

    status: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def call(
    method: str, url: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None, timeout_s: float = 10
) -> Answer | None:
    """Sends a request and returns the answer; None if the connection failed, broke or took over `timeout_s` seconds."""
    try:
        response = _POOL.request(
            method, url, body=body, headers=dict(headers or {}), timeout=timeout_s, retries=False, redirect=False
        )
    except urllib3.exceptions.HTTPError:
        return None
    return Answer(response.status, response.data)


def wait_until_healthy(name: str, url: str, child: subprocess.Popen[bytes], log: Path, timeout_s: float) -> None:
    """Returns as soon as `url` answers with a status below 500.

    Raises `StartError` if the process `child` ends first, or after `timeout_s` seconds.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        answer = call("GET", url, timeout_s=2)
        if answer is not None and answer.status < 500:
            return
        if child.poll() is not None:
            raise StartError(f"{name} ended with status {child.returncode} while it started.\n{_tail(log)}")
        if time.monotonic() > deadline:
            raise StartError(f"{name} did not answer within {timeout_s:.0f} s.\n{_tail(log)}")
        time.sleep(POLL_S)


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "\n".join([f"Its log, {log}, ends:", *lines[-LOG_LINES:]])
