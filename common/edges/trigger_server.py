"""The server of ingest, update and train, as their images run it.

    python -m common.edges.trigger_server

`FUNCTION_SOURCE` and `FUNCTION_TARGET` name the function, HOST and PORT the address, as for functions-framework. The
framework's own server holds any number of half-sent requests for any time; here they have recommend's bounds. One
worker serves, and gunicorn starts another if it dies: killed for its memory, or ended as its work took too long.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import functions_framework.aio
from gunicorn.app.base import BaseApplication
from uvicorn_worker import UvicornWorker

from common.edges.http_protocol import BoundedProtocol
from common.edges.triggers import MAX_BODY_BYTES


class TriggerProtocol(BoundedProtocol):
    """One connection. A bucket event may be larger than a storefront's request."""

    max_body_bytes: ClassVar[int] = MAX_BODY_BYTES


class TriggerWorker(UvicornWorker):  # type: ignore[misc] # gunicorn has no types
    CONFIG_KWARGS: ClassVar[dict[str, Any]] = {
        "loop": "asyncio",
        "http": TriggerProtocol,
        "ws": "none",
        "lifespan": "off",
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
    }


class TriggerServer(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    """gunicorn with one worker, which loads the function after the fork."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        super().__init__()

    def load_config(self) -> None:
        host, port = (
            self._env.get("HOST", "0.0.0.0"),
            self._env.get("PORT", "8080"),
        )  # a container is called from outside
        self.cfg.set("bind", f"{host}:{port}")
        self.cfg.set("workers", 1)
        self.cfg.set("worker_class", f"{__name__}.{TriggerWorker.__name__}")
        self.cfg.set("loglevel", "error")

    def load(self) -> Any:
        create_app: Callable[[str, str], Any] = functions_framework.aio.create_asgi_app
        return create_app(self._env["FUNCTION_TARGET"], self._env["FUNCTION_SOURCE"])


if __name__ == "__main__":
    TriggerServer(os.environ).run()
