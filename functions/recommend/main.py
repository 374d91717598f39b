"""recommend: answers the storefront from the published bundle.

functions-framework --source functions/recommend/main.py --target recommend

`server.py` serves the same without the framework.
"""

from __future__ import annotations

import functions_framework.aio
from starlette.requests import Request

from common.edges.http_function import RecommendFunction

_function = RecommendFunction()


@functions_framework.aio.http
async def recommend(_request: Request) -> RecommendFunction:
    """The framework calls what it is given as an ASGI response, with the request's own scope."""
    return _function
