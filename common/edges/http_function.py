"""The recommend function as an ASGI application, with its probes, metrics and CORS headers."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from typing import Final

from common import logs
from common.edges import problems
from common.edges.http_metrics import CONTENT_TYPE as METRICS_TYPE
from common.edges.http_metrics import Metrics
from common.edges.http_openapi import openapi_document
from common.edges.http_rate import RateLimit
from common.edges.http_request import Disconnected, Message, Receive, Request, Send
from common.edges.http_response import Headers, Response, json_response, problem_response
from common.edges.http_routes import METHODS, Endpoint, Route, find_route
from common.edges.http_storefront import Storefront
from common.errors import Busy, NotReady, RecsysError, SettingError, Unanswered, UnavailableError
from common.usecases.recommend.service import RecommendService

VARY: Final = (b"vary", b"Origin")
FOR_OPERATORS: Final = frozenset({Endpoint.METRICS, Endpoint.READYZ})
"""Not there for whoever comes through the way in of the public. Prometheus and people in the deployment ask the
function itself; probes ask `/startedz` and `/healthz`, which tell nothing but a status."""

_OF_PROXIES: Final = (b"x-forwarded-for", b"forwarded", b"via")
_MAX_AGE_S: Final = b"600"
_TRY_AGAIN: Final = "something that this answer needs is not available just now: try again later"


class Cors:
    """The CORS headers for pages of the allowed origins."""

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)

    def headers(self, origin: bytes | None) -> Headers:
        """Headers of every answer: they let a page of an allowed origin read it. `Vary` is always there, for caches."""
        if origin is None or origin not in self._origins:
            return [VARY]
        return [VARY, (b"access-control-allow-origin", origin)]

    def preflight(self, origin: bytes | None, methods: tuple[str, ...]) -> Headers:
        """Further headers of the answer to OPTIONS; none for a page of another origin."""
        if origin is None or origin not in self._origins:
            return []
        return [
            (b"access-control-allow-methods", ", ".join(methods).encode()),
            (b"access-control-allow-headers", b"Authorization, Content-Type"),
            (b"access-control-max-age", _MAX_AGE_S),
        ]


log = logging.getLogger(__name__)


class RecommendFunction:
    """The ASGI application of the recommend function.

    Nothing is read or opened before the first request, because a server may import it in a parent process, and neither
    Faiss's threads nor connections survive a fork."""

    def __init__(self) -> None:
        self._metrics = Metrics()
        self._opening = asyncio.Lock()
        self._start: asyncio.Task[Storefront] | None = None
        self._service: RecommendService | None = None
        self._storefront: Storefront | None = None
        self._cors = Cors(())
        self._limit: RateLimit | None = None
        self._told = ""
        self._status_answers: Mapping[Endpoint, Callable[[Request], Response]] = {
            Endpoint.HEALTHZ: lambda _request: json_response({"status": "ok"}),
            Endpoint.STARTEDZ: self._started,
            Endpoint.METRICS: lambda _request: Response(200, METRICS_TYPE, self._metrics.exposition(self._service)),
            Endpoint.OPENAPI: lambda _request: json_response(openapi_document()),
        }

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        request = Request(scope["method"], scope["raw_path"], scope["query_string"], scope["headers"], receive)
        if self._limit is not None:
            client = scope.get("client")
            wait_s = self._limit.wait_s(client[0] if client else "", request.header(b"x-forwarded-for"))
            if wait_s:
                await self._too_many(request, wait_s).send(send)
                return
        try:
            response = await self._handle(request)
        except Disconnected:
            return
        await response.send(send)

    def close(self) -> None:
        """Stops the thread that watches the bucket for new versions."""
        if self._service is not None:
            self._service.stop()

    def _too_many(self, request: Request, wait_s: float) -> Response:
        problem = problems.problem(429, "too_many_requests", "too many requests from this address")
        retry = (b"retry-after", b"%d" % math.ceil(wait_s))
        headers = [retry, *self._cors.headers(request.header(b"origin"))]
        self._metrics.answered(Endpoint.NONE, 429, 0.0)
        return problem_response(problem, request.find_id(), headers)

    async def _handle(self, request: Request) -> Response:
        started = time.perf_counter()
        endpoint = Endpoint.NONE
        try:
            route = find_route(request.raw_path)
            endpoint = route.endpoint
            response = await self._answer(request, route)
        except Disconnected:
            raise
        except Exception as error:
            response = self._failed(request, error)
        response.headers += self._cors.headers(request.header(b"origin"))
        self._metrics.answered(endpoint, response.status, time.perf_counter() - started)
        return response

    async def _answer(self, request: Request, route: Route) -> Response:
        refused = _refuse(request, route.endpoint)
        if refused is not None:
            return refused
        status_answer = self._status_answers.get(route.endpoint)
        if status_answer is not None:
            return status_answer(request)
        storefront = self._storefront or await self._open()
        if request.method == "OPTIONS":
            allowed = self._cors.preflight(request.header(b"origin"), METHODS[route.endpoint])
            return Response(204, b"text/plain", b"", allowed)
        return await storefront.answer(request, route)

    def _started(self, request: Request) -> Response:
        """Answers 503 until a bundle is served, or the bucket has answered that none is published.

        An instance that started while the bucket was away, or that cannot open what is published, is not started: a
        rollout must not replace instances that serve by it. The first attempt continues after the answer, so that a
        probe need not wait for a large bundle. If the attempt fails, the next call raises its error, and the call after
        that begins a new attempt.
        """
        if self._service is not None and self._storefront is not None:
            watch = self._service.watch
            if watch.current is not None or watch.nothing_published:
                return json_response({"status": "started"})
            return self._not_loaded(request, "what is published could not be loaded yet; the log says why")
        if self._start is None:
            self._start = asyncio.create_task(self._open())
        elif self._start.done():
            failed, self._start = self._start, None
            failed.result()
        return self._not_loaded(request, "what is published is being loaded")

    def _failed(self, request: Request, error: Exception) -> Response:
        """The answer to a request that raised `error`. A fault that is not the caller's is logged, and told in general
        words: its text may hold paths and keys. A wrong setting fails every request and is logged once."""
        request_id = request.find_id()
        status, document = problems.problem_of(error)
        with logs.bound(request_id=request_id):
            if not isinstance(error, RecsysError):
                log.exception("request failed")
            elif status == 500 or _is_of_the_store(error):
                document = {**document, "detail": _TRY_AGAIN if status == 503 else document["detail"]}
                if not (isinstance(error, SettingError) and error.message == self._told):
                    logs.event(log, logging.ERROR, "request failed", code=error.code, detail=error.message)
                self._told = error.message
        return problem_response(document, request_id)

    def _not_loaded(self, request: Request, detail: str) -> Response:
        return problem_response(problems.problem(503, NotReady.code, detail), request.find_id())

    async def _open(self) -> Storefront:
        async with self._opening:
            if self._storefront is None:
                self._storefront = await asyncio.to_thread(self._connect)
            return self._storefront

    def _connect(self) -> Storefront:
        # Imported here, so that a probe need not wait for the import of the S3 client.
        from common.edges.wiring import make_context

        logs.configure("recommend")  # so that a wrong setting is told by its name
        context = make_context(os.environ)
        logs.configure("recommend", context.settings.log_level)
        context.cache.mark_faults()
        service = RecommendService(context, self._metrics.stages)
        service.start()
        self._service, self._cors = service, Cors(context.settings.cors_origins)
        settings = context.settings
        if settings.requests_per_s:
            self._limit = RateLimit(settings.requests_per_s, settings.trusted_proxies)
        return Storefront(service, context.settings, self._metrics)


def _is_of_the_store(error: RecsysError) -> bool:
    return isinstance(error, UnavailableError) and not isinstance(error, NotReady | Busy | Unanswered)


def _came_through_a_proxy(request: Request) -> bool:
    """Every way in adds one of these headers: Caddy, an Ingress, and Knative's queue-proxy, which is before each pod. A
    client can add them and cannot take them away."""
    return any(request.header(name) is not None for name in _OF_PROXIES)


def _refuse(request: Request, endpoint: Endpoint) -> Response | None:
    if endpoint is Endpoint.NONE or (endpoint in FOR_OPERATORS and _came_through_a_proxy(request)):
        problem = problems.problem(404, "not_found", "there is no such path; see /openapi.json")
        return problem_response(problem, request.find_id())
    allowed = METHODS[endpoint]
    if request.method not in allowed:
        problem = problems.problem(405, "method_not_allowed", f"this path takes {', '.join(allowed)}")
        return problem_response(problem, request.find_id(), [(b"allow", ", ".join(allowed).encode())])
    return None
