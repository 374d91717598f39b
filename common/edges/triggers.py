"""The HTTP side of the functions ingest, update and train: one POST is one call of a use case.

* `POST /` with a bearer token does the work and answers 200 with the run records, also if the work can never succeed,
  as for a refused file or a missing object. The record tells that. A 4xx or 5xx would make an object store that
  delivers in order send the same event for ever, before all later ones.
* 4xx: the call itself is wrong (token, body). 503: try again later. 500: an internal error.
* Every answer and every log line holds the request's `X-Request-Id`: the caller's if it is well-formed, else a new one.
* `GET /healthz` and `GET /metrics` need no token: these functions are reachable from within the cluster only.
"""

from __future__ import annotations

import hmac
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from flask import Request, Response
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from common import logs
from common.bucket.keys import Keys
from common.edges import bucket_events, problems
from common.edges.bucket_events import EventKind, ObjectEvent
from common.edges.request_id import HEADER, request_id_of
from common.edges.wiring import make_context
from common.errors import BadRequest, InputError, RecsysError, RefusedError, SettingError, TooLarge, Unauthorized
from common.schemas.documents import RunRecord, RunState
from common.usecases.shared.context import Context
from common.usecases.shared.runs import Function, start_run

MAX_BODY_BYTES = 1 << 20
"""A bucket event is about 1 KB; the webhook of a file of 4 GB lists its chunks in about 400 KB."""
_SHOWN_CHARACTERS = 60
_CALL_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600)

log = logging.getLogger(__name__)

Call = TypeVar("Call")
Read = Callable[[Mapping[str, str], bytes], Call]
Work = Callable[[Context, Call], Sequence[RunRecord]]


class Trigger(Generic[Call]):
    """The HTTP side of one function. `read` turns headers and body into the argument of `work`.

    The context is made from the environment at the first call, so that an import opens nothing and a fork is safe.
    """

    def __init__(self, function: str, read: Read[Call], work: Work[Call]) -> None:
        self._function = function
        self._read = read
        self._work = work
        self._lock = threading.Lock()
        self._context: Context | None = None
        self._metrics = _Metrics(function)

    def handle(self, request: Request) -> Response:
        request_id = request_id_of(request.headers.get(HEADER))
        with logs.bound(request_id=request_id):
            response = self._answer(request, request_id)
        response.headers[HEADER] = request_id
        return response

    def _answer(self, request: Request, request_id: str) -> Response:
        route = (request.method, request.path)
        if route == ("GET", "/healthz"):
            return _json({"status": "ok"})
        if route == ("GET", "/metrics"):
            return Response(self._metrics.exposition(), content_type=CONTENT_TYPE_LATEST)
        if request.path != "/":
            detail = "this function answers /, /healthz and /metrics"
            return _problem(problems.problem(404, "not_found", detail), request_id)
        if request.method != "POST":
            return _problem(problems.problem(405, "method_not_allowed", "call this function by POST"), request_id)
        return self._call(request, request_id)

    def _call(self, request: Request, request_id: str) -> Response:
        started = time.monotonic()
        outcomes = ["internal"]
        try:
            answer, outcomes = self._run(self._admit(request))
            return answer
        except RecsysError as error:
            status, document = problems.problem_of(error)
            outcomes = [error.code]
            level = logging.ERROR if status == 500 else logging.WARNING
            logs.event(log, level, "call failed", code=error.code, detail=error.message)
            return _problem(document, request_id)
        except Exception as error:
            log.exception("call failed")
            return _problem(problems.problem_of(error)[1], request_id)
        finally:
            self._metrics.observe(outcomes, time.monotonic() - started)

    def _admit(self, request: Request) -> Call:
        _check_token(self._ready(), request.headers.get("Authorization", ""))
        if (request.content_length or 0) > MAX_BODY_BYTES:
            raise TooLarge(f"the body has more than {MAX_BODY_BYTES} bytes")
        body = request.stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge(f"the body has more than {MAX_BODY_BYTES} bytes")
        return self._read(dict(request.headers), body)

    def _run(self, call: Call) -> tuple[Response, list[str]]:
        try:
            records = self._work(self._ready(), call)
        except (InputError, RefusedError) as error:
            logs.event(log, logging.WARNING, "refused", code=error.code, detail=error.message)
            _, document = problems.problem_of(error)
            return _json({"runs": [], "refused": document}), [RunState.REFUSED]
        answer = _json({"runs": [record.model_dump(mode="json") for record in records]})
        return answer, [record.state for record in records]

    def _ready(self) -> Context:
        with self._lock:
            if self._context is None:
                context = make_context(os.environ)
                logs.configure(self._function, context.settings.log_level)
                context.cache.mark_faults()
                self._context = context
            return self._context


def on_events(
    function: Function, watched: Callable[[Keys], str], work: Work[list[ObjectEvent]]
) -> Trigger[list[ObjectEvent]]:
    """A function that bucket events call.

    `work` gets the events about new objects whose key starts with `watched`, each object once. Other events are
    ignored. If a call names no object, `work` gets an empty list, and then takes in all waiting objects. Records that
    name nothing that can be an object are refused in one run of their own, after the others have been worked on.
    """

    def handle(ctx: Context, events: list[ObjectEvent]) -> Sequence[RunRecord]:
        ours = [event for event in events if _is_ours(ctx, event, watched(ctx.keys))]
        new = {event.key: event for event in ours if event.kind is EventKind.CREATED}
        unusable = [event for event in ours if event.kind is EventKind.UNUSABLE]
        records = list(work(ctx, list(new.values()))) if new or not events else []
        return [*records, _refused(ctx, function, unusable)] if unusable else records

    return Trigger(function, bucket_events.parse, handle)


def _is_ours(ctx: Context, event: ObjectEvent, prefix: str) -> bool:
    """True also for a malformed record, which names neither a bucket nor a key."""
    return not event.bucket or (event.bucket == ctx.settings.bucket and event.key.startswith(prefix))


def _refused(ctx: Context, function: Function, unusable: Sequence[ObjectEvent]) -> RunRecord:
    named = "; ".join(f"{event.problem}: {_shown(event.key)}" if event.key else event.problem for event in unusable[:3])
    more = f"; and {len(unusable) - 3} more" if len(unusable) > 3 else ""
    with start_run(ctx, function) as run:
        run.note(counts={"records_refused": len(unusable)})
        return run.refuse(BadRequest(f"records of the call that name no object: {len(unusable)}. {named}{more}"))


def _shown(key: str) -> str:
    """A key of any length and with any characters, as a log line and a record can hold it."""
    return ascii(key[:_SHOWN_CHARACTERS])


class _Metrics:
    """The metrics of one function. Each has its own registry, because a test process may hold several functions."""

    def __init__(self, function: str) -> None:
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._runs = Counter(
            "recsys_runs", "Runs by outcome: a state, or an error's code.", ["function", "outcome"], registry=registry
        )
        self._seconds = Histogram(
            "recsys_call_seconds", "Duration of calls.", ["function"], buckets=_CALL_SECONDS, registry=registry
        )
        self._function = function
        self._registry = registry

    def observe(self, outcomes: Sequence[str], seconds: float) -> None:
        for outcome in outcomes:
            self._runs.labels(self._function, outcome).inc()
        self._seconds.labels(self._function).observe(seconds)

    def exposition(self) -> bytes:
        return generate_latest(self._registry)


def _check_token(ctx: Context, authorization: str) -> None:
    expected = ctx.settings.trigger_token
    if expected is None:
        raise SettingError("RECSYS_TRIGGER_TOKEN is not set: without it nobody may call this function")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(
        token.strip().encode(), expected.get_secret_value().encode()
    ):
        raise Unauthorized("this function needs its bearer token: RECSYS_TRIGGER_TOKEN")


def _json(content: Mapping[str, Any]) -> Response:
    return Response(json.dumps(content), content_type="application/json")


def _problem(document: Mapping[str, Any], request_id: str) -> Response:
    response = _json({**document, "request_id": request_id})
    response.status_code = document["status"]
    response.content_type = problems.CONTENT_TYPE
    response.headers.update(problems.headers_of(document["status"]))
    return response
