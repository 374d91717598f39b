"""The function `ingest`: takes uploads into the store.

    functions-framework --source functions/ingest/main.py --target ingest

A call with a bucket event takes in the uploads that the event names; a call without one takes in all waiting uploads.
"""

from __future__ import annotations

import flask
import functions_framework

from common.edges.bucket_events import ObjectEvent
from common.edges.triggers import on_events
from common.schemas.documents import RunRecord, Upload
from common.usecases.ingest.ingest import drain, ingest_announced
from common.usecases.shared.context import Context


def _work(ctx: Context, events: list[ObjectEvent]) -> list[RunRecord]:
    if not events:
        return drain(ctx)
    return ingest_announced(ctx, [Upload(key=event.key, etag=event.etag or "") for event in events])


_trigger = on_events("ingest", lambda keys: keys.incoming, _work)


@functions_framework.http
def ingest(request: flask.Request) -> flask.Response:
    return _trigger.handle(request)
