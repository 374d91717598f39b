"""The function `update`: serves the new data of the store.

    functions-framework --source functions/update/main.py --target update

It is called when store/current.json is replaced, and by the sweep. The content of the call does not matter.
"""

from __future__ import annotations

from typing import cast

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from common.edges.bucket_events import ObjectEvent
from common.edges.triggers import on_events
from common.schemas.documents import RunRecord
from common.usecases.shared.context import Context
from common.usecases.update.update import update as bring_up_to_date


def _work(ctx: Context, _events: list[ObjectEvent]) -> list[RunRecord]:
    return [bring_up_to_date(ctx)]


_trigger = on_events("update", lambda keys: keys.store_current, _work)


@functions_framework.aio.http
async def update(_request: Request) -> Response:
    """Returns the ASGI application: the framework calls a returned response with the request's scope."""
    return cast(Response, _trigger)
