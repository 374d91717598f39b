"""recommend: answers the storefront from the published bundle.

functions-framework --source functions/recommend/main.py --target recommend

`server.py` serves the same without the framework.
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
    """The framework calls what it is given as an ASGI response, with the request's own scope."""
    return cast(Response, _function)
