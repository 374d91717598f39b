"""The operator's questions for recommendations, answered in process or by a running function.

Commands import it when they run: what answers in process takes a second to import.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, Final, Literal
from urllib.parse import quote, urlencode

import jwt
import urllib3

from common.edges.http_fields import SessionFields, read_body, to_query
from common.errors import BadRequest, NotFound, SettingError, UnavailableError
from common.usecases.recommend.service import RecommendService
from common.usecases.shared.context import Context

TIMEOUT_S: Final = 10.0
TOKEN_LIFE: Final = timedelta(minutes=1)

Beside = Literal["similar", "bought-together"]


def ask(ctx: Context, fields: dict[str, Any], *, user_id: str | None, url: str | None) -> bytes:
    """Returns the JSON answer for the fields of `POST /v1/recommendations`. An operator may give any user id."""
    if url is not None:
        return _call(ctx, "POST", f"{url.rstrip('/')}/v1/recommendations", body=fields, user_id=user_id)
    query = to_query(_checked(fields), ctx.settings.max_n)._replace(user_id=user_id)
    return _service(ctx).recommend(query).body


def ask_beside(ctx: Context, kind: Beside, item_id: str, fields: dict[str, Any], *, url: str | None) -> bytes:
    """Returns the JSON answer of a list about one item."""
    if url is not None:
        path = f"/v1/items/{quote(item_id, safe='')}/{kind}?{urlencode(fields, doseq=True)}"
        return _call(ctx, "GET", url.rstrip("/") + path)
    service, query = _service(ctx), to_query(_checked(fields), ctx.settings.max_n)
    return (service.similar if kind == "similar" else service.bought_together)(item_id, query).body


def _checked(fields: dict[str, Any]) -> SessionFields:
    return read_body(json.dumps(fields).encode())


def _service(ctx: Context) -> RecommendService:
    service = RecommendService(ctx)
    service.watch.refresh()
    return service


def _call(
    ctx: Context, method: str, url: str, *, body: dict[str, Any] | None = None, user_id: str | None = None
) -> bytes:
    headers = {"Content-Type": "application/json"}
    if user_id is not None:
        headers["Authorization"] = f"Bearer {_token(ctx, user_id)}"
    data = None if body is None else json.dumps(body).encode()
    try:
        answer = urllib3.request(method, url, body=data, headers=headers, timeout=TIMEOUT_S, retries=False)
    except urllib3.exceptions.HTTPError as error:
        raise UnavailableError(f"{url} does not answer: {error}") from None
    if answer.status == 200:
        return answer.data
    kind = {404: NotFound, 503: UnavailableError}.get(answer.status, BadRequest)
    raise kind(f"{url} answered {answer.status}: {answer.data.decode(errors='replace')[:500]}")


def _token(ctx: Context, user_id: str) -> str:
    key = ctx.settings.token_key
    if key is None:
        raise SettingError("RECSYS_TOKEN_KEY is not set: without it no call can name a user")
    claims = {"sub": user_id, "exp": ctx.now() + TOKEN_LIFE}
    return jwt.encode(claims, key.get_secret_value(), algorithm="HS256")
