"""The endpoints of the storefront API: an HTTP request becomes a query, and the answer becomes a response."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from common.bounded_cache import BoundedCache
from common.config import Settings
from common.edges.http_fields import (
    CardFields,
    ListFields,
    PersonFields,
    read_body,
    read_query_string,
    to_query,
)
from common.edges.http_metrics import Metrics
from common.edges.http_request import Request
from common.edges.http_response import BRIEFLY, JSON, PRIVATE, Response, json_response, problem_response
from common.edges.http_routes import Endpoint, Route
from common.edges.http_token import Claims, read_token
from common.edges.http_turns import Turns
from common.edges.problems import problem
from common.edges.query_cache import QueryCache
from common.errors import BadRequest, CorruptError, NotReady, Unauthorized
from common.schemas.kind import Kind
from common.serving.kinds import DECLARATIONS, Need
from common.serving.stages import Stage, StageTimer
from common.usecases.recommend.answer_cache import Answer
from common.usecases.recommend.service import Query, RecommendService

T = TypeVar("T")

# Some 10,000 tokens of 250 bytes: a shopper sends the same token with every page.
REMEMBERED_BYTES: Final = 8 << 20
# What an entry takes beside the texts of its token and subject.
_BYTES_EACH: Final = 400
_BEARER: Final = b"bearer "


class Visitors:
    """The check of visitors' tokens. Valid tokens are cached in memory; their expiry is checked at every use."""

    def __init__(self, settings: Settings, max_bytes: int = REMEMBERED_BYTES) -> None:
        self._key = settings.token_key.get_secret_value().encode() if settings.token_key else None
        self._allow_user_id = settings.allow_user_id
        self._checked: BoundedCache[bytes, Claims] = BoundedCache(max_bytes, _size)

    def named(self, subject: str | None, bare_user_id: str | None) -> str | None:
        """Returns the user id from the token's subject or from the call's field; None for an anonymous call.

        Raises `Unauthorized` if both are given, or if the setting does not allow a bare user id. Such a call is not
        answered as an anonymous one.
        """
        if bare_user_id is None:
            return subject
        if subject is not None:
            raise Unauthorized("the call names a person twice: by a token and by user_id")
        if not self._allow_user_id:
            raise Unauthorized("user_id is not accepted here: send a token signed by the shop's back end")
        return bare_user_id

    def subject(self, authorization: bytes | None) -> str | None:
        """Returns the user id in the token of this header; None without a header.

        Raises `Unauthorized` for a token that is malformed, unsigned, wrongly signed or expired."""
        if authorization is None:
            return None
        if authorization[: len(_BEARER)].lower() != _BEARER:
            raise Unauthorized("the Authorization header must be: Bearer <token>")
        token = authorization[len(_BEARER) :].strip()
        known = self._checked.find(token)
        if known is None:
            if self._key is None:
                raise Unauthorized("tokens are not accepted here: RECSYS_TOKEN_KEY is not set")
            known = read_token(token, self._key)
            self._checked.keep(token, known)
        if known.expires <= time.time():
            raise Unauthorized("the token has expired")
        return known.subject


def _size(token: bytes, claims: Claims) -> int:
    return sys.getsizeof(token) + sys.getsizeof(claims.subject) + _BYTES_EACH


FAULTS: Final = (CorruptError, LookupError, ValueError, OverflowError, MemoryError, RuntimeError, OSError, SystemError)
"""What DuckDB, Faiss and numpy raise on damaged data or without memory. Other errors are defects of ours."""

CACHING: Final = {
    Endpoint.RECOMMENDATIONS: PRIVATE,
    Endpoint.ITEMS: PRIVATE,
    Endpoint.SIMILAR: BRIEFLY,
    Endpoint.BOUGHT_TOGETHER: BRIEFLY,
    Endpoint.POPULAR: BRIEFLY,
}

OF_EVERYBODY: Final = frozenset(kind for kind in Kind if DECLARATIONS[kind].needs in (Need.NOTHING, Need.ITEM))
"""Kinds that caches may keep for a while where the question names nobody: they are the same for all who ask it."""


class Storefront:
    """The endpoints that need the service: `/readyz` and those under `/v1/`."""

    def __init__(self, service: RecommendService, settings: Settings, metrics: Metrics) -> None:
        self._service = service
        self._visitors = Visitors(settings)
        self._max_n = settings.max_n
        self._queries = QueryCache(settings.max_n)
        self._metrics = metrics
        self._turns = Turns()

    async def answer(self, request: Request, route: Route) -> Response:
        """Answers a request. Raises errors of `common.errors`, which the caller turns into an answer."""
        if route.endpoint is Endpoint.READYZ:
            return self._readiness(request)
        timer = StageTimer()
        subject, body = None, None
        if route.endpoint is Endpoint.RECOMMENDATIONS:
            body = await request.body() if request.method == "POST" else None
            subject = self._visitors.subject(request.header(b"authorization"))
        cache_key = request.raw_path, request.query_string, body, subject
        answer = self._service.remembered(cache_key)
        if answer is None:
            answer = await self._make(request, route, body, subject, timer)
            self._service.remember(cache_key, answer)
        self._metrics.recommended(answer)
        names_nobody = body is None and subject is None and b"user_id" not in request.query_string
        caching = BRIEFLY if names_nobody and answer.kind in OF_EVERYBODY else CACHING[route.endpoint]
        return Response(200, JSON, answer.body, [caching])

    async def _make(
        self, request: Request, route: Route, body: bytes | None, subject: str | None, timer: StageTimer
    ) -> Answer:
        if route.endpoint is Endpoint.ITEMS:
            item_ids = read_query_string(CardFields, request.query_string).item_id
            return self._asked(self._service.cards, item_ids)
        query = self._query(request, route, body, subject)
        timer.end(Stage.PARSE)
        self._metrics.stages.add(timer)
        # An answer that is not quick is made in a thread, so that other requests need not wait. All other work takes
        # less time than passing it to a thread.
        if self._service.is_quick(query):
            return self._asked(self._use_case(route), query)
        return await self._turns.run(partial(self._asked, self._use_case(route), query))

    def _asked(self, ask: Callable[[T], Answer], question: T) -> Answer:
        try:
            return ask(question)
        except FAULTS as error:
            raise self._service.failed(error) from error

    def _query(self, request: Request, route: Route, body: bytes | None, subject: str | None) -> Query:
        if route.endpoint is not Endpoint.RECOMMENDATIONS:
            return self._queries.read(ListFields, request.query_string).query
        if body is None:
            query, bare_user_id = self._queries.read(PersonFields, request.query_string)
        elif request.query_string:
            raise BadRequest("a POST takes its fields in the body, not in the query string")
        else:
            fields = read_body(body)
            query, bare_user_id = to_query(fields, self._max_n), fields.user_id
        user_id = self._visitors.named(subject, bare_user_id)
        return query if user_id is None else query._replace(user_id=user_id)

    def _use_case(self, route: Route) -> Callable[[Query], Answer]:
        if route.item_id is None:
            personal = route.endpoint is Endpoint.RECOMMENDATIONS
            return self._service.recommend if personal else self._service.popular
        similar = route.endpoint is Endpoint.SIMILAR
        return partial(self._service.similar if similar else self._service.bought_together, route.item_id)

    def _readiness(self, request: Request) -> Response:
        """Answers 503 while nothing is served. Names a newer version that was refused; the log has the reason."""
        watch = self._service.watch
        refusal, served = watch.refusal, watch.current
        state = {
            "store_answers": watch.store_answers,
            "refused": refusal and {"bundle_id": refusal.bundle_id, "at": refusal.at.isoformat()},
        }
        if served is None:
            nothing = problem(503, NotReady.code, "nothing is published yet")
            return problem_response({**nothing, **state}, request.find_id())
        about = {"bundle_id": served.document.bundle_id, "model": served.document.model.family, "age_s": watch.age_s()}
        return json_response({"status": "ready", **about, **state})
