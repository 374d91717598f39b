"""The function `ingest`: takes uploads into the store.

    functions-framework --source functions/ingest/main.py --target ingest

A call with a bucket event takes in the uploads that the event names; a call without one takes in all waiting uploads.
"""

from __future__ import annotations

from typing import cast

import functions_framework.aio
from starlette.requests import Request
from starlette.responses import Response

from common.edges.bucket_events import ObjectEvent
from common.edges.triggers import on_events
from common.schemas.documents import RunRecord, Upload
from common.usecases.ingest.ingest import drain, ingest_announced
from common.usecases.shared.context import Context
from common.usecases.shared.deadline import Deadline


def _work(ctx: Context, events: list[ObjectEvent]) -> list[RunRecord]:
    call = Deadline.after(ctx.settings.upload_deadline_s)
    if not events:
        return drain(ctx, call)
    return ingest_announced(ctx, [Upload(key=event.key, etag=event.etag or "") for event in events], call)


_trigger = on_events("ingest", lambda keys: keys.incoming, _work)


@functions_framework.aio.http
async def ingest(_request: Request) -> Response:
    """Returns the ASGI application: the framework calls a returned response with the request's scope."""
    return cast(Response, _trigger)
