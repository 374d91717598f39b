"""The fields of storefront requests: one definition for the query string, the JSON body and `/openapi.json`."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar, get_origin
from urllib.parse import parse_qsl

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from common.config import Purchased
from common.edges.http_promotions import ATTRIBUTE_PREFIX, MAX_PROMOTIONS, PROMOTION_DESCRIPTION, checked, promotion_of
from common.errors import BadRequest, TooLarge
from common.schemas.data import EventType
from common.schemas.kind import Kind
from common.serving.filters import AVAILABLE, Filter
from common.serving.kinds import DECLARATIONS, Need
from common.serving.promotions import Promotion
from common.serving.variety import Variety
from common.usecases.recommend.question_bounds import MAX_COLUMNS, MAX_FILTER_VALUES, check_filter
from common.usecases.recommend.service import Query

MAX_ID_BYTES: Final = 256
MAX_LIST: Final = 200
MAX_VALUES: Final = 50
MAX_QUERY_BYTES: Final = 16_384
DEFAULT_N: Final = 10


def _short(value: str) -> str:
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise ValueError("is not valid Unicode") from None
    if size > MAX_ID_BYTES:
        raise TooLarge(f"an id or a value has {size} bytes; at most {MAX_ID_BYTES} are accepted")
    return value


Text = Annotated[str, Field(min_length=1), AfterValidator(_short)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Values = Annotated[tuple[Text, ...], Field(max_length=MAX_VALUES)]
Ids = Annotated[tuple[Text, ...], Field(max_length=MAX_LIST)]


class Available(StrEnum):
    TRUE = "true"
    FALSE = "false"
    ANY = "any"


_AVAILABLE: Final = {Available.TRUE: True, Available.FALSE: False, Available.ANY: None}


class ListFields(BaseModel):
    """The fields of every request for a list of items."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int = Field(DEFAULT_N, ge=1, description="How many items. The shop's setting bounds it.")
    category: Values = Field((), description="Only items of this category, or of any of these.")
    brand: Values = Field((), description="Only items of this brand, or of any of these.")
    price_min: Price | None = Field(None, description="Only items at this price or above.")
    price_max: Price | None = Field(None, description="Only items at this price or below.")
    available: Available = Field(Available.TRUE, description="Items that are available, that are not, or any.")
    attributes: dict[Text, Values] = Field(
        {},
        max_length=MAX_VALUES,
        description=f"Only items with these values in other columns of the catalogue, at most {MAX_COLUMNS} columns. "
        f"Categories, brands and these values are {MAX_FILTER_VALUES} together at most. "
        f"In a query string each is `{ATTRIBUTE_PREFIX}<column>=<value>`.",
    )
    exclude: Ids = Field((), description="Ids of items that must not be shown.")
    diversity: float = Field(
        0.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="How strongly the model's ranking avoids items that are like those before them: 0 not at all, at 1 "
        "more than their own score counts.",
    )
    max_per_category: int | None = Field(
        None,
        ge=1,
        description="Largest number of items of one category, even if fewer than `n` items are left.",
    )

    def variety(self) -> Variety:
        return Variety(self.diversity, self.max_per_category)

    def filter(self) -> Filter:
        attributes = ((name, value) for name, values in sorted(self.attributes.items()) for value in values)
        wanted = Filter(
            categories=self.category,
            brands=self.brand,
            price_min=self.price_min,
            price_max=self.price_max,
            available=_AVAILABLE[self.available],
            attributes=tuple(attributes),
        )
        return AVAILABLE if wanted == AVAILABLE else wanted


class CardFields(BaseModel):
    """The fields of `GET /v1/items`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item_id: Ids = Field((), description="Ids of items, in the order in which they are wanted.")


class PersonFields(ListFields):
    """The fields of `GET /v1/recommendations`."""

    user_id: Text | None = Field(
        None, description="The person's user id, for local development only; elsewhere a signed bearer token names it."
    )
    item_id: Text | None = Field(None, description="The item whose page the visitor is on.")
    kind: Kind | None = Field(
        None,
        description="The list that the page asks for. Each kind shows only what belongs under its heading, so a list "
        "may be short or empty. Default: the person's ranking, then what is like the page and the visit, then what is "
        "popular.",
    )
    purchased: Purchased | None = Field(
        None,
        description="Treatment of items that the person has bought: `hide` leaves them out, `show` ranks them as any "
        "other, `boost` ranks them higher, `auto` is what training has found best. Default: what the kind declares, or "
        "the shop's setting.",
    )
    promote: Annotated[tuple[Annotated[Text, AfterValidator(checked)], ...], Field(max_length=MAX_PROMOTIONS)] = Field(
        (), description=PROMOTION_DESCRIPTION
    )

    def promotions(self) -> tuple[Promotion, ...]:
        return tuple(map(promotion_of, self.promote))


class SessionEvent(BaseModel):
    """One event of the visit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    item_id: Text
    event_type: EventType = EventType.VIEW


class SessionFields(PersonFields):
    """The fields of `POST /v1/recommendations`: those of the GET, and the events of the visit."""

    viewed: Ids = Field((), description="Ids of the items viewed in this visit, oldest first.")
    session: tuple[SessionEvent, ...] = Field(
        (), max_length=MAX_LIST, description="Events of this visit, oldest first."
    )
    basket: Ids = Field((), description="Ids of the items in the basket, oldest first.")

    def events(self) -> tuple[tuple[str, EventType], ...]:
        """(item id, event type) of the viewed items, of the session and of the basket, in this order."""
        viewed = [(item_id, EventType.VIEW) for item_id in self.viewed]
        session = [(event.item_id, event.event_type) for event in self.session]
        basket = [(item_id, EventType.CART) for item_id in self.basket]
        return (*viewed, *session, *basket)


Fields = TypeVar("Fields", bound=BaseModel)


def read_query_string(model: type[Fields], query_string: bytes) -> Fields:
    """Parses and checks a query string.

    Raises `BadRequest`, which names the unknown, repeated or wrong parameter, and `TooLarge` above a limit.
    """
    if len(query_string) > MAX_QUERY_BYTES:
        raise TooLarge(f"the query string has {len(query_string)} bytes; at most {MAX_QUERY_BYTES} are accepted")
    try:
        pairs = parse_qsl(query_string.decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise BadRequest("the query string is not percent-encoded UTF-8") from None
    try:
        return model.model_validate(_collect(pairs, _repeatable(model)))
    except ValidationError as error:
        raise _problem(error, "query parameter", model) from None


def _collect(pairs: Iterable[tuple[str, str]], repeatable: frozenset[str]) -> dict[str, Any]:
    """The parameters by name. Parameters with several values are lists."""
    values: dict[str, Any] = {}
    attributes: dict[str, list[str]] = {}
    for name, value in pairs:
        if name.startswith(ATTRIBUTE_PREFIX):
            attributes.setdefault(name.removeprefix(ATTRIBUTE_PREFIX), []).append(value)
        elif name in repeatable:
            values.setdefault(name, []).append(value)
        elif name in values or name == "attributes":
            raise BadRequest(f"query parameter {name!r} is given twice or in a form that only a body takes")
        else:
            values[name] = value
    return {**values, "attributes": attributes} if attributes else values


def _repeatable(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(name for name, field in model.model_fields.items() if get_origin(field.annotation) is tuple)


def read_body(body: bytes) -> SessionFields:
    """Parses and checks a JSON body.

    Raises `BadRequest`, which names the unknown or wrong field, and `TooLarge` above a limit.
    """
    try:
        return SessionFields.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise _problem(error, "body field", SessionFields) from None


def _problem(error: ValidationError, what: str, model: type[BaseModel]) -> BadRequest | TooLarge:
    first = error.errors(include_url=False, include_input=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return BadRequest(f"{what} {name!r} is unknown; known are {', '.join(model.model_fields)}")
    if first["type"] in ("too_long", "string_too_long"):
        return TooLarge(f"{what} {name!r}: {first['msg']}")
    return BadRequest(f"{what} {name!r}: {first['msg']}" if name else f"the body is not a JSON object: {first['msg']}")


def to_query(fields: ListFields, max_n: int) -> Query:
    """Returns the query of the fields, without a user id.

    Raises `BadRequest` for an `n` above the shop's setting, for a filter that is too large as a whole, and for a kind
    that lacks its item."""
    if fields.n > max_n:
        raise BadRequest(f"'n' is {fields.n}; at most {max_n} are accepted")
    wanted = fields.filter()
    check_filter(wanted)
    person = fields if isinstance(fields, PersonFields) else None
    if person and person.kind and person.item_id is None and DECLARATIONS[person.kind].needs is Need.ITEM:
        raise BadRequest(f"the kind {person.kind.value!r} is about an item: 'item_id' must name it")
    return Query(
        n=fields.n,
        wanted=wanted,
        exclude=fields.exclude,
        variety=fields.variety(),
        page=person.item_id if person else None,
        purchased=person.purchased if person else None,
        kind=person.kind if person else None,
        promotions=person.promotions() if person else (),
        session=fields.events() if isinstance(fields, SessionFields) else (),
    )
