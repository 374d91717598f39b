"""The function `recommend`: answers the storefront's requests from the published bundle.

    functions-framework --source functions/recommend/main.py --target recommend

`server.py` runs the same function without the framework.
"""

from __future__ import annotations

from typing import cast

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from common.edges.http_function import RecommendFunction

_function = RecommendFunction()


@functions_framework.aio.http
async def recommend(_request: Request) -> Response:
    """Returns the ASGI application: the framework calls a returned response with the request's scope."""
    return cast(Response, _function)
