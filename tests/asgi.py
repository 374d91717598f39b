"""Calls a function in ASGI mode within the test's process, as its server would."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import functions_framework.aio


@dataclass(frozen=True)
class Answer:
    """Header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Function:
    """One loaded function with an event loop of its own."""

    def __init__(self, target: str, source: Path) -> None:
        create_app: Callable[[str, str], Any] = functions_framework.aio.create_asgi_app
        self._app = create_app(target, str(source))
        self._module: Any = sys.modules[source.stem]
        self._runner = asyncio.Runner()

    def close(self) -> None:
        """Ends the loop, and what the function runs in the background."""
        self._module._function.close()
        self._runner.close()

    def call(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | list[bytes] = b""
    ) -> Answer:
        """`body` may be a list of pieces, as they come over a slow line."""
        pieces = [body] if isinstance(body, bytes) else body
        left: list[dict[str, Any]] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
        left.append({"type": "http.request", "body": b"", "more_body": False})
        sent = self._runner.run(self._call(method, url, headers or {}, left))
        answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], answered, b"".join(message.get("body", b"") for message in sent[1:]))

    def leave(self, url: str, body: bytes) -> list[dict[str, Any]]:
        """Posts the beginning of a body and goes: what the function sends nevertheless."""
        left: list[dict[str, Any]] = [
            {"type": "http.request", "body": body, "more_body": True},
            {"type": "http.disconnect"},
        ]
        return self._runner.run(self._call("POST", url, {}, left))

    async def _call(
        self, method: str, url: str, headers: Mapping[str, str], left: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """What is sent; `left` is what there is to receive."""
        raw_path, query_string = urlsplit(url).path.encode(), urlsplit(url).query.encode()
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": raw_path.decode(),
            "raw_path": raw_path,
            "query_string": query_string,
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return left.pop(0)

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        return sent
