"""The OpenAPI document, made from the definitions that parse requests; docs/openapi.json is a copy of it."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from common.edges import problems
from common.edges.http_fields import CardFields, ListFields, PersonFields, SessionFields
from common.edges.http_promotions import ATTRIBUTE_PREFIX
from common.edges.http_routes import PATHS, Endpoint
from common.serving.evidence import Reason
from common.serving.ranking import Rung
from common.usecases.recommend.question_bounds import MAX_LOOKS

_SCHEMAS: Final = "#/components/schemas/"
_JSON: Final = "application/json"
_ABOUT: Final = "Recommendations of one shop, for its pages and its back end."
_TEXT: Final = {"type": "string"}
_TEXT_OR_NULL: Final = {"type": ["string", "null"]}
_CARD: Final = {
    "type": "object",
    "required": ["item_id"],
    "properties": {
        "item_id": _TEXT,
        **dict.fromkeys(("title", "category", "brand", "currency", "img_url", "url"), _TEXT_OR_NULL),
        "price": {"type": ["number", "null"]},
    },
    "description": "What the shop's catalogue says of an item; null where it says nothing.",
}
_PROBLEMS: Final = {
    400: "A field is unknown or wrong, or the filter and the promotions together cost more than "
    f"{MAX_LOOKS:,} looks at an item of the catalogue; the detail says which.",
    401: "The token is missing, wrong or expired.",
    404: "The catalogue has no item of this id, or what is for inside only was asked for from outside.",
    408: "The request did not arrive whole within its time.",
    413: "A body, a query string, a list or an id is over its limit.",
    429: "Too many requests from this address. `Retry-After` says when to try again.",
    431: "The headers are over their limit.",
    500: "Something is wrong inside; the function's log says what.",
    503: "Nothing is published yet, too many requests with new filters wait, or too many connections are open. "
    "`Retry-After` says when to try again.",
}
OF_THE_SERVER: Final = (408, 429, 431, 503)
"""Statuses that every request may get before anybody has looked at what it asks."""

OF_EVERY_QUESTION: Final = (400, 413, 500, *OF_THE_SERVER)


@cache
def openapi_document() -> dict[str, Any]:
    """An OpenAPI 3.1 description of the storefront API."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "RecSys-Lite", "version": version("recsys-lite"), "description": _ABOUT},
        "paths": _paths(),
        "components": {
            "schemas": {**_request_schemas(), **_schemas_of_answers(), "Problem": _problem_schema()},
            "securitySchemes": {
                "visitor": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "HS256, signed by the shop's back end; `sub` is the user id, `exp` is required.",
                }
            },
        },
    }


def _paths() -> dict[str, Any]:
    item_id = {"name": "item_id", "in": "path", "required": True, "schema": {"type": "string"}}
    personal = _list_operation("Recommendations for a person, a page or nobody in particular", PersonFields, 401, 404)
    session = _operation("Recommendations for a visit: a basket, what was viewed, a person if one is named", 401, 404)
    session["requestBody"] = {"required": True, "content": _content("SessionFields")}
    for operation in (personal, session):
        operation["security"] = [{}, {"visitor": []}]
    similar = _list_operation("Items like one", ListFields, 404)
    together = _list_operation("What is bought together with an item, then items like it", ListFields, 404)
    for operation in (similar, together):
        operation["parameters"].insert(0, item_id)
    cards = _operation("What the catalogue says of items; ids that it does not know are left out", answer="Cards")
    cards["parameters"] = _parameters(CardFields)
    return {
        PATHS[Endpoint.RECOMMENDATIONS]: {"get": personal, "post": session},
        PATHS[Endpoint.ITEMS]: {"get": cards},
        PATHS[Endpoint.SIMILAR]: {"get": similar},
        PATHS[Endpoint.BOUGHT_TOGETHER]: {"get": together},
        PATHS[Endpoint.POPULAR]: {"get": _list_operation("What is bought most", ListFields)},
        PATHS[Endpoint.HEALTHZ]: {"get": _probe("The process answers")},
        PATHS[Endpoint.STARTEDZ]: {"get": _probe("What is published, if anything is, has been loaded", 500)},
        PATHS[Endpoint.READYZ]: {
            "get": _probe("From inside only: a bundle is served; which, how old, and what was refused", 404, 500)
        },
        PATHS[Endpoint.METRICS]: {"get": _probe("From inside only: figures for Prometheus", 404)},
    }


def _list_operation(summary: str, fields: type[BaseModel], *statuses: int) -> dict[str, Any]:
    return {**_operation(summary, *statuses), "parameters": _parameters(fields)}


def _operation(summary: str, *statuses: int, answer: str = "Answer") -> dict[str, Any]:
    description = _schemas_of_answers()[answer]["description"]
    responses: dict[str, Any] = {"200": {"description": description, "content": _content(answer)}}
    return {"summary": summary, "responses": responses | _problem_answers(*OF_EVERY_QUESTION, *statuses)}


def _problem_answers(*statuses: int) -> dict[str, Any]:
    content = {problems.CONTENT_TYPE: {"schema": {"$ref": f"{_SCHEMAS}Problem"}}}
    return {str(status): {"description": _PROBLEMS[status], "content": content} for status in sorted(set(statuses))}


def _probe(summary: str, *statuses: int) -> dict[str, Any]:
    answers = {"200": {"description": summary}, **_problem_answers(*OF_THE_SERVER, *statuses)}
    return {"summary": summary, "responses": answers}


def _content(schema: str) -> dict[str, Any]:
    return {_JSON: {"schema": {"$ref": f"{_SCHEMAS}{schema}"}}}


def _parameters(fields: type[BaseModel]) -> list[dict[str, Any]]:
    """One parameter for each field. A list is a parameter that may be repeated."""
    properties = _schemas(fields)[fields.__name__]["properties"]
    return [_parameter(name, dict(schema)) for name, schema in properties.items()]


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    parameter = {"in": "query", "required": False, "description": schema.pop("description"), "schema": schema}
    if name == "attributes":
        return {"name": f"{ATTRIBUTE_PREFIX}column", **parameter, "schema": {"type": "string"}}
    return {"name": name, **parameter}


def _request_schemas() -> dict[str, Any]:
    return _schemas(SessionFields) | _enums(ListFields, PersonFields)


def _enums(*models: type[BaseModel]) -> dict[str, Any]:
    """The schemas to which parameters refer."""
    schemas = _schemas(*models)
    return {name: schema for name, schema in schemas.items() if "enum" in schema}


def _schemas(*models: type[BaseModel]) -> dict[str, Any]:
    wanted = [(model, "validation") for model in models]
    _, document = models_json_schema(wanted, ref_template=_SCHEMAS + "{model}")  # type: ignore[arg-type] # list invariance
    definitions: dict[str, Any] = document["$defs"]
    return definitions


def _schemas_of_answers() -> dict[str, Any]:
    return {
        "Card": _CARD,
        "Item": _item_schema(),
        "Answer": _answer_schema(),
        "KnownItem": _known_item_schema(),
        "Cards": _list_of("KnownItem", "Items, in the order in which they were asked for."),
    }


def _answer_schema() -> dict[str, Any]:
    schema = _list_of("Item", "Items, best first.")
    kind = {"$ref": f"{_SCHEMAS}Kind", "description": "The kind that was asked for; absent where none was."}
    return {**schema, "properties": {**schema["properties"], "kind": kind}}


def _item_schema() -> dict[str, Any]:
    reason = {
        "type": "object",
        "required": ["code"],
        "properties": {"code": {"enum": list(Reason)}, "item_id": _TEXT, "title": _TEXT},
        "description": "`item_id` and `title` name the item that is the reason.",
    }
    own = {
        "rank": {"type": "integer", "minimum": 1},
        "rung": {"enum": list(Rung)},
        "reason": reason,
        "score": {"type": "number"},
    }
    placed = {"type": "object", "required": ["rank", "rung", "reason"], "properties": own}
    return {"allOf": [{"$ref": f"{_SCHEMAS}Card"}, placed], "description": "An item's card and why it is here."}


def _known_item_schema() -> dict[str, Any]:
    told = {"type": "object", "required": ["available"], "properties": {"available": {"type": "boolean"}}}
    return {"allOf": [{"$ref": f"{_SCHEMAS}Card"}, told], "description": "An item's card and whether it can be bought."}


def _list_of(schema: str, description: str) -> dict[str, Any]:
    items = {"type": "array", "items": {"$ref": f"{_SCHEMAS}{schema}"}}
    properties = {"bundle_id": _TEXT, "model": _TEXT, "items": items}
    return {"type": "object", "required": list(properties), "properties": properties, "description": description}


def _problem_schema() -> dict[str, Any]:
    text = {"type": "string"}
    properties = {"type": text, "title": text, "status": {"type": "integer"}, "code": text, "detail": text}
    required = list(properties)
    properties["request_id"] = {
        **text,
        "description": "As in the header `X-Request-Id` and in the function's log. Absent where a request was refused "
        "before it had arrived whole.",
    }
    return {"type": "object", "required": required, "properties": properties, "description": "RFC 9457."}
