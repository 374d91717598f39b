"""Loads a function that bucket events call into the test's process, and calls it as its server does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import functions_framework.aio
from starlette.datastructures import Headers

FUNCTIONS = Path(__file__).parents[1] / "functions"


@dataclass(frozen=True)
class CallAnswer:
    """The answer to one call."""

    status_code: int
    headers: Headers
    data: bytes

    @property
    def text(self) -> str:
        return self.data.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    @property
    def content_type(self) -> str:
        return self.headers["Content-Type"]


@dataclass
class Caller:
    """Calls an ASGI application; every call has the headers in `always`."""

    app: Any
    always: dict[str, str] = field(default_factory=dict)

    def post(
        self, path: str, *, data: bytes | str = b"", json: object = None, headers: Mapping[str, str] | None = None
    ) -> CallAnswer:
        return self.open(path, "POST", headers=headers, data=data, json=json)

    def get(self, path: str) -> CallAnswer:
        return self.open(path, "GET")

    def open(
        self,
        path: str,
        method: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | str = b"",
        json: object = None,
    ) -> CallAnswer:
        body = data.encode() if isinstance(data, str) else data
        if json is not None:
            body = _as_json(json)
        sent = asyncio.run(_answers(self.app, method, path, {**self.always, **(headers or {})}, body))
        content = b"".join(message.get("body", b"") for message in sent[1:])
        return CallAnswer(sent[0]["status"], Headers(raw=sent[0]["headers"]), content)


def _as_json(content: object) -> bytes:
    return json.dumps(content).encode()


async def _answers(app: Any, method: str, path: str, headers: Mapping[str, str], body: bytes) -> list[dict[str, Any]]:
    """What the application sends."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def client_of(target: str) -> Caller:
    """Calls the function of `functions/<target>/main.py`, whose settings are the environment of this process."""
    create_app: Callable[[str, str], Any] = functions_framework.aio.create_asgi_app
    return Caller(create_app(target, str(FUNCTIONS / target / "main.py")))
