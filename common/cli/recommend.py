"""`recsys recommend`, `recsys similar` and `recsys bought-together`."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from urllib.parse import quote, urlencode

import jwt
import typer
import urllib3

from common.cli.session import AsJson, session
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


if TYPE_CHECKING:
    from rich.console import Console

    from common.cli.recommend import Beside

HowMany = Annotated[int, typer.Option("-n", "--n", help="How many.", min=1)]
Category = Annotated[list[str] | None, typer.Option(help="Only items of this category; repeat it for several.")]
Brand = Annotated[list[str] | None, typer.Option(help="Only items of this brand; repeat it for several.")]
PriceMin = Annotated[float | None, typer.Option(help="Lowest price.", min=0)]
PriceMax = Annotated[float | None, typer.Option(help="Highest price.", min=0)]
Url = Annotated[str | None, typer.Option(help="Ask this recommend function. Default: what is published, in process.")]


def recommend(
    user: Annotated[str | None, typer.Option(help="A user id, as the uploads name it.")] = None,
    item: Annotated[list[str] | None, typer.Option(help="An item of the basket; repeat it for several.")] = None,
    n: HowMany = 10,
    category: Category = None,
    brand: Brand = None,
    price_min: PriceMin = None,
    price_max: PriceMax = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show the recommendations for a person, a basket or an unknown visitor."""
    with session(as_json) as current:
        from common.cli.recommend import ask

        fields = _fields(n=n, category=category, brand=brand, price_min=price_min, price_max=price_max, basket=item)
        document = json.loads(ask(current.context(), fields, user_id=user, url=url))
        current.answer(document, lambda console: _show(console, document))


def similar(
    item_id: Annotated[str, typer.Argument(help="The item whose page is looked at.")],
    n: HowMany = 10,
    category: Category = None,
    brand: Brand = None,
    price_min: PriceMin = None,
    price_max: PriceMax = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show the recommendations on the page of an item."""
    fields = _fields(n=n, category=category, brand=brand, price_min=price_min, price_max=price_max)
    _answer_beside("similar", item_id, fields, url, as_json)


def bought_together(
    item_id: Annotated[str, typer.Argument(help="The item that others are bought with.")],
    n: HowMany = 10,
    category: Category = None,
    brand: Brand = None,
    price_min: PriceMin = None,
    price_max: PriceMax = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Show the items that are bought together with an item, then similar items."""
    fields = _fields(n=n, category=category, brand=brand, price_min=price_min, price_max=price_max)
    _answer_beside("bought-together", item_id, fields, url, as_json)


def _answer_beside(kind: Beside, item_id: str, fields: dict[str, Any], url: str | None, as_json: bool) -> None:
    with session(as_json) as current:
        from common.cli.recommend import ask_beside

        document = json.loads(ask_beside(current.context(), kind, item_id, fields, url=url))
        current.answer(document, lambda console: _show(console, document))


def _fields(**given: Any) -> dict[str, Any]:
    """The fields of a storefront request, without those that were not given."""
    return {name: value for name, value in given.items() if value is not None and value != []}


def _show(console: Console, document: dict[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("", "item", "title", "category", "price", "rung", "reason", box=None, pad_edge=False)
    for item in document["items"]:
        shown = [item[name] for name in ("rank", "item_id", "title", "category", "price", "rung")]
        cells = [*shown, item["reason"]["code"]]
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in cells))
    console.print(table)
    console.print(f"{document['model']}, bundle {document['bundle_id']}")
