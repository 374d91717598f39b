"""The HTTP side of the functions ingest, update and train: one POST is one call of a use case.

* `POST /` with a bearer token does the work and answers 200 with the run records, also if the work can never succeed,
  as for a refused file or a missing object. The record tells that. A 4xx or 5xx would make an object store that
  delivers in order send the same event for ever, before all later ones.
* 4xx: the call itself is wrong (token, body). 503: try again later. 500: an internal error.
* Every answer and every log line holds the request's `X-Request-Id`: the caller's if it is well-formed, else a new one.
* `GET /healthz` and `GET /metrics` need no token: these functions are reachable from within the cluster only. They
  answer also while a call is worked on.
"""

from __future__ import annotations

import asyncio
import faulthandler
import hmac
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from common import logs
from common.bucket.keys import Keys
from common.edges import bucket_events, problems
from common.edges.bucket_events import EventKind, ObjectEvent
from common.edges.http_request import Disconnected, Message, Receive, Request, Send
from common.edges.http_response import Response, json_response, problem_response
from common.edges.request_id import HEADER
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
    """The HTTP side of one function, as an ASGI application. `read` turns headers and body into the argument of `work`.

    One call is worked on at a time, in a thread; the others wait for their turn. Requests arrive on the event loop, and
    probes are answered there: neither a request that is sent slowly nor the work keeps others from being heard.
    The context is made from the environment at the first call, so that an import opens nothing and a fork is safe.
    """

    def __init__(self, function: str, read: Read[Call], work: Work[Call]) -> None:
        self._function = function
        self._read = read
        self._work = work
        self._lock = threading.Lock()
        self._turn = asyncio.Lock()
        self._context: Context | None = None
        self._metrics = _Metrics(function)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        request = Request(scope["method"], scope["raw_path"], scope["query_string"], scope["headers"], receive)
        request_id = request.find_id()
        with logs.bound(request_id=request_id):
            try:
                response = await self._answer(request, request_id)
            except Disconnected:
                return
        await response.send(send)

    async def _answer(self, request: Request, request_id: str) -> Response:
        route = (request.method, request.raw_path)
        if route == ("GET", b"/healthz"):
            return _named(json_response({"status": "ok"}), request_id)
        if route == ("GET", b"/metrics"):
            return _named(Response(200, CONTENT_TYPE_LATEST.encode(), self._metrics.exposition()), request_id)
        if request.raw_path != b"/":
            detail = "this function answers /, /healthz and /metrics"
            return problem_response(problems.problem(404, "not_found", detail), request_id)
        if request.method != "POST":
            problem = problems.problem(405, "method_not_allowed", "call this function by POST")
            return problem_response(problem, request_id, [(b"allow", b"POST")])
        return await self._call(request, request_id)

    async def _call(self, request: Request, request_id: str) -> Response:
        started = time.monotonic()
        outcomes = ["internal"]
        try:
            call = await self._admit(request)
            async with self._turn:
                document, outcomes = await asyncio.to_thread(self._run, call)
            return _named(json_response(document), request_id)
        except Disconnected:
            outcomes = ["disconnected"]
            raise
        except RecsysError as error:
            status, problem = problems.problem_of(error)
            outcomes = [error.code]
            level = logging.ERROR if status == 500 else logging.WARNING
            logs.event(log, level, "call failed", code=error.code, detail=error.message)
            return problem_response(problem, request_id)
        except Exception as error:
            log.exception("call failed")
            return problem_response(problems.problem_of(error)[1], request_id)
        finally:
            self._metrics.observe(outcomes, time.monotonic() - started)

    async def _admit(self, request: Request) -> Call:
        _check_token(await asyncio.to_thread(self._ready), request.header(b"authorization") or b"")
        length = request.header(b"content-length") or b""
        if length.isdigit() and int(length) > MAX_BODY_BYTES:
            raise TooLarge(f"the body has more than {MAX_BODY_BYTES} bytes")
        body = await request.body(MAX_BODY_BYTES)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        return self._read(headers, body)

    def _run(self, call: Call) -> tuple[dict[str, Any], list[str]]:
        try:
            with _ended_at_the_latest(os.environ):
                records = self._work(self._ready(), call)
        except (InputError, RefusedError) as error:
            logs.event(log, logging.WARNING, "refused", code=error.code, detail=error.message)
            return {"runs": [], "refused": problems.problem_of(error)[1]}, [RunState.REFUSED]
        return {"runs": [record.model_dump(mode="json") for record in records]}, [record.state for record in records]

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


@contextmanager
def _ended_at_the_latest(env: Mapping[str, str]) -> Iterator[None]:
    """Ends the process if the block takes longer than `CLOUD_RUN_TIMEOUT_SECONDS`; its server starts another.

    Whoever called is not there any more by then. The trace of every thread goes to standard error.
    """
    seconds = int(env.get("CLOUD_RUN_TIMEOUT_SECONDS", "0"))
    if not seconds:
        yield
        return
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _check_token(ctx: Context, authorization: bytes) -> None:
    expected = ctx.settings.trigger_token
    if expected is None:
        raise SettingError("RECSYS_TRIGGER_TOKEN is not set: without it nobody may call this function")
    scheme, _, token = authorization.partition(b" ")
    if scheme.lower() != b"bearer" or not hmac.compare_digest(token.strip(), expected.get_secret_value().encode()):
        raise Unauthorized("this function needs its bearer token: RECSYS_TRIGGER_TOKEN")


def _named(response: Response, request_id: str) -> Response:
    response.headers.append((HEADER.lower().encode(), request_id.encode()))
    return response
