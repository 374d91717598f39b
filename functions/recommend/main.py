"""recommend: answers the storefront from the published bundle."""

from __future__ import annotations

import functions_framework.aio
from starlette.requests import Request

from common.edges.http_function import RecommendFunction
from common.edges.http_response import Response

_function = RecommendFunction()


@functions_framework.aio.http
async def recommend(request: Request) -> Response:
    return await _function.handle(request)
