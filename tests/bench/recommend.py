"""Recommend against an empty handler in the same runtime, and against a plain Python service that does the same work.

Each is one worker on one core; the load comes from another. All are asked the same, in turns. A visitor's pages ask the
same while nothing is bought, so some answers can be given again; people who ask once show what each costs anew.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle

from common.bucket.keys import Keys
from common.config import Shop as Settings
from tests.bench.grocer import ALPHA, Shop, make_shop
from tests.bench.harness import EMPTY, RECOMMEND, Bench, Servers, bench, client_cores, tool
from tests.bench.http_load import CONNECTIONS, Load, measure
from tests.bench.plain_service import save_shop
from tests.bench.questions import N_FILTERS, PAGES, N, baskets, filtered, known_people
from tests.bench.row import Row
from tests.bundles import publish

KNOWN = f"recommend: requests/s, known person, purchased hidden, {PAGES} pages a visit"
ONCE = "recommend: requests/s, known person, purchased hidden, nobody asks twice"
PLAIN = f"recommend: requests/s, {PAGES} pages a visit, against FastAPI, pydantic, Faiss and dicts"
PLAIN_ONCE = "recommend: requests/s, nobody asks twice, against FastAPI, pydantic, Faiss and dicts"
BASKET = "recommend: requests/s, anonymous basket of 5"
FILTERED = f"recommend: requests/s, category and price, {N_FILTERS} filters"
P99 = "recommend: p99 at 8 connections, known person"
ROWS = (KNOWN, ONCE, PLAIN, PLAIN_ONCE, BASKET, FILTERED, P99)
_ABOUT = "50,000 items × 64, 100,000 people, ten full cards, one core"
_FEW_CONNECTIONS = 8
_ROUNDS = 5
_SECONDS = 2.0
_CARD = {"title", "price", "img_url", "rank", "rung", "reason"}


@dataclass(frozen=True)
class _Sides:
    """Ports."""

    empty: int
    ours: int
    plain: int


def rows() -> list[Row]:
    with bench() as made, client_cores():
        shop = make_shop(Settings.from_env(made.settings).pseudonymizer)
        token_key = made.environment["RECSYS_TOKEN_KEY"]
        people, strangers = known_people(shop, token_key), known_people(shop, token_key, pages=1)
        with _sides(made, shop) as sides:
            visits, once = (_in_turns((sides.empty, sides.ours, sides.plain), asked) for asked in (people, strangers))
            basket = _in_turns((sides.empty, sides.ours), baskets(shop))
            filters = _in_turns((sides.empty, sides.ours), filtered(shop, token_key))
            few = _in_turns((sides.empty, sides.ours), people, _FEW_CONNECTIONS)
    return [
        _rate(KNOWN, visits[1], visits[0], "empty handler", ">= 0.50"),
        _rate(ONCE, once[1], once[0], "empty handler", ">= 0.50"),
        _rate(PLAIN, visits[1], visits[2], "the plain service", ">= 3.0"),
        _rate(PLAIN_ONCE, once[1], once[2], "the plain service", ">= 3.0"),
        _rate(BASKET, basket[1], basket[0], "empty handler", ">= 0.30"),
        _rate(FILTERED, filters[1], filters[0], "empty handler", ">= 0.30"),
        _p99(few[1], few[0]),
    ]


@contextmanager
def _sides(made: Bench, shop: Shop) -> Iterator[_Sides]:
    publish(made.bucket, Keys(), [shop.layer], made.directory, encoder_params={"alpha": ALPHA})
    save_shop(shop, made.directory)
    environment = {
        **made.environment,
        "PLAIN_SHOP": str(made.directory),
        "TOKEN_KEY": made.environment["RECSYS_TOKEN_KEY"],
    }
    uvicorn = [tool("uvicorn"), "tests.bench.plain_service:app", "--loop", "uvloop", "--http", "httptools"]
    with Servers(made.directory / "logs") as servers:
        yield _Sides(
            empty=servers.function(EMPTY, environment),
            ours=servers.function(RECOMMEND, environment),
            plain=servers.serve("plain", [*uvicorn, "--log-level", "warning"], environment, "/healthz"),
        )


def _in_turns(ports: Sequence[int], requests: Sequence[bytes], connections: int = CONNECTIONS) -> list[list[Load]]:
    """The loads of each port. All but the first, the empty handler, have to answer with ten full cards."""
    turns = [cycle(requests) for _ in ports]
    loads: list[list[Load]] = [[] for _ in ports]
    for _ in range(_ROUNDS):
        for side, port in enumerate(ports):
            load = measure(port, turns[side], _SECONDS, connections)
            loads[side].append(load)
            if side > 0:
                _check(load.sample)
    return loads


def _check(response: bytes) -> None:
    items = json.loads(response.partition(b"\r\n\r\n")[2])["items"]
    assert len(items) == N, response
    assert items[0].keys() >= _CARD, response


def _rate(name: str, ours: Sequence[Load], theirs: Sequence[Load], who: str, goal: str) -> Row:
    value, reference = (statistics.median(load.requests_per_s for load in loads) for loads in (ours, theirs))
    return Row(name, f"{value:,.0f}/s ({_ABOUT})", f"{reference:,.0f}/s ({who})", value / reference, goal)


def _p99(ours: Sequence[Load], empty: Sequence[Load]) -> Row:
    value, reference = (statistics.median(load.p99_s() for load in loads) for loads in (ours, empty))
    told = f"{reference * 1000:.2f} ms (empty handler)"
    return Row(P99, f"{value * 1000:.2f} ms", told, value / reference, "<= 3.0")
