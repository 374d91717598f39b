"""The storefront API's questions: from an HTTP request to a query, and from its answer to a response."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from starlette.requests import Request

from common.config import Settings
from common.edges.http_fields import (
    CardFields,
    ListFields,
    PersonFields,
    query_of_string,
    read_body,
    read_query_string,
    to_query,
)
from common.edges.http_metrics import Metrics
from common.edges.http_response import BRIEFLY, JSON, PRIVATE, Response, json_response, problem_response
from common.edges.http_routes import Endpoint, Route
from common.edges.http_visitor import Visitors
from common.edges.problems import problem
from common.errors import BadRequest, NotReady, TooLarge
from common.serving.stages import Laps, Stage
from common.usecases.answers import Answer
from common.usecases.recommend import Query, RecommendService

MAX_BODY_BYTES: Final = 65_536


class Storefront:
    def __init__(self, service: RecommendService, settings: Settings, metrics: Metrics) -> None:
        self._service = service
        self._visitors = Visitors(settings)
        self._max_n = settings.max_n
        self._metrics = metrics

    async def answer(self, request: Request, route: Route) -> Response:
        """Answers /readyz and the /v1/ endpoints. Raises the errors of `common.errors` that concern the caller."""
        if route.endpoint is Endpoint.READYZ:
            return self._readiness()
        if route.endpoint is Endpoint.RECOMMENDATIONS:
            query = await self._personal_query(request)
            return await self._respond(query, self._service.recommend, PRIVATE)
        if route.endpoint is Endpoint.ITEMS:
            asked = read_query_string(CardFields, request.scope["query_string"])
            return Response(200, JSON, self._service.cards(asked.item_id).body, [PRIVATE])
        query, _ = query_of_string(ListFields, request.scope["query_string"], self._max_n)
        if route.item_id is None:
            return await self._respond(query, self._service.popular, BRIEFLY)
        similar = route.endpoint is Endpoint.SIMILAR
        ask = partial(self._service.similar if similar else self._service.bought_together, route.item_id)
        return await self._respond(query, ask, BRIEFLY)

    def _readiness(self) -> Response:
        """503 while there is nothing to serve. A newer version that was refused is told; why stands in the log."""
        watch = self._service.watch
        refusal, served = watch.refusal, watch.current
        state = {
            "store_answers": watch.store_answers,
            "refused": refusal and {"bundle_id": refusal.bundle_id, "at": refusal.at.isoformat()},
        }
        if served is None:
            return problem_response({**problem(503, NotReady.code, "nothing is published yet"), **state})
        about = {"bundle_id": served.document.bundle_id, "model": served.document.model.family, "age_s": watch.age_s()}
        return json_response({"status": "ready", **about, **state})

    async def _personal_query(self, request: Request) -> Query:
        scope = request.scope
        body = await bounded_body(request) if scope["method"] == "POST" else None
        laps = Laps()
        if body is not None:
            if scope["query_string"]:
                raise BadRequest("a POST takes its fields in the body, not in the query string")
            fields = read_body(body)
            query, bare_user_id = to_query(fields, self._max_n), fields.user_id
        else:
            query, bare_user_id = query_of_string(PersonFields, scope["query_string"], self._max_n)
        user_id = self._visitors.user_id(header(request, b"authorization"), bare_user_id)
        query = query if user_id is None else query._replace(user_id=user_id)
        laps.end(Stage.PARSE)
        self._metrics.stages.add(laps)
        return query

    async def _respond(self, query: Query, ask: Callable[[Query], Answer], caching: tuple[bytes, bytes]) -> Response:
        # A filter that is new here costs milliseconds in the catalogue's files, which others should not wait for. The
        # rest takes less time than handing it to a thread.
        answer = ask(query) if self._service.is_quick(query) else await asyncio.to_thread(ask, query)
        self._metrics.recommended(answer.rungs)
        return Response(200, JSON, answer.body, [caching])


def header(request: Request, name: bytes) -> bytes | None:
    """The first header of this lower-case name."""
    for key, value in request.scope["headers"]:
        if key == name:
            return bytes(value)
    return None


async def bounded_body(request: Request) -> bytes:
    """Raises `TooLarge` as soon as more has come than is accepted."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise TooLarge(f"the body has more than {MAX_BODY_BYTES} bytes")
    return bytes(body)
