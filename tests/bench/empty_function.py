"""The least that functions-framework can serve by ASGI: what every request costs before a handler has done anything."""

from __future__ import annotations

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response


@functions_framework.aio.http
async def empty(request: Request) -> Response:
    return Response(b"", media_type="application/json")
