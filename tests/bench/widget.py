"""The carousel: sizes against their budgets, and the main thread's time from the answer's arrival to painted cards.

The time is that of similar items on a product page of the demo's storefront, with a service that answers at once: the
median over page loads, each traced by Chromium. It is the processor time of all tasks of the page's main thread between
the moment at which the answer's head arrives and the second frame after the cards are in the document.
"""

from __future__ import annotations

import json
import logging
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask, Response
from playwright.sync_api import Browser, sync_playwright

from common.edges.wiring import make_context
from infra.demo.recommend_client import RecommendClient
from infra.demo.shop import Item, Shop, addresses
from infra.demo.storefront import Storefront, create_app
from infra.local.ports import HOST, free_ports
from tests.bench.row import Row

ROWS = ("widget: script, gzip", "widget: React package, gzip", "widget: first render of 12 cards")
_WIDGET = Path(__file__).parents[2] / "widget"
_BUDGET_MS = 50.0
_LOADS = 15
_CARDS = 12
_PAINTED = "cards painted"
_TASK = "ThreadControllerImpl::RunTask"
_CATEGORIES = ["toplevel", "devtools.timeline", "blink.user_timing"]
_ITEMS = tuple(
    Item(f"cheese-{n}", f"Mountain cheese no. {n}", "Cheese", "Alpine dairy", 2.5) for n in range(_CARDS + 1)
)
_NOWHERE = {
    "RECSYS_BUCKET": "nowhere",
    "RECSYS_S3_ENDPOINT": "http://127.0.0.1:9",
    "RECSYS_S3_ACCESS_KEY": "none",
    "RECSYS_S3_SECRET_KEY": "none",
    "RECSYS_PSEUDONYM_KEY": "5ec2e7" * 11,
}
_WATCH = f"""
const painted = () => requestAnimationFrame(() => requestAnimationFrame(() => performance.mark("{_PAINTED}")));
const watch = (root, isThere, then) => new MutationObserver((_, observer) => {{
  if (!isThere()) return;
  observer.disconnect();
  then();
}}).observe(root, {{ childList: true, subtree: true }});
const carousel = () => document.querySelector("recsys-carousel[kind=similar]");
watch(document, carousel, () => {{
  const {{ shadowRoot }} = carousel();
  watch(shadowRoot, () => shadowRoot.querySelector("a[part=card]"), painted);
}});
"""

Event = dict[str, Any]


def rows() -> list[Row]:
    subprocess.run(["make", "--silent", "widget"], cwd=_WIDGET.parent, check=True, capture_output=True)
    return [*_sizes(), _first_render()]


def _sizes() -> Iterator[Row]:
    command = ["npx", "size-limit", "--json"]
    told = subprocess.run(command, cwd=_WIDGET, check=True, capture_output=True, text=True).stdout
    for name, size in zip(ROWS, json.loads(told)[:2], strict=False):
        value, budget = size["size"], size["sizeLimit"]
        yield Row(name, f"{value / 1000:.2f} kB", f"{budget / 1000:.0f} kB", value / budget, "<= 1.0")


def _first_render() -> Row:
    with _shop() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        times = [_busy_ms(_trace(browser, url)) for _ in range(_LOADS)]
        browser.close()
    median = statistics.median(times)
    value = f"{median:.1f} ms (worst {max(times):.1f})"
    return Row(ROWS[2], value, f"{_BUDGET_MS:.0f} ms", median / _BUDGET_MS, "<= 1.0")


@contextmanager
def _shop() -> Iterator[str]:
    """The address of a product page."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    ports = free_ports()
    shop_url, service_url = (f"http://{HOST}:{ports[name]}" for name in ("storefront", "recommend"))
    storefront = create_app(_catalogue(), RecommendClient(service_url, "key", {}), make_context(_NOWHERE))
    with Storefront(storefront, ports["storefront"]), Storefront(_service(shop_url), ports["recommend"]):
        yield f"{shop_url}/items/{_ITEMS[0].item_id}"


def _catalogue() -> Shop:
    nowhere = Path("/nowhere")
    return Shop(
        events=nowhere, items=nowhere, new_events=nowhere, new_items=nowhere, new_item=_ITEMS[0], people=(),
        basket=(), page_item=_ITEMS[0].item_id, aisles=("Cheese",), catalogue={item.item_id: item for item in _ITEMS},
    )  # fmt: skip


def _service(shop_url: str) -> Flask:
    """Knows similar items, and nothing that is bought together."""
    app = Flask(__name__)
    answer = {"bundle_id": "b", "model": "als"}
    similar = [_card(shop_url, rank, item) for rank, item in enumerate(_ITEMS) if rank > 0]
    app.add_url_rule("/v1/items/<item_id>/similar", "similar", lambda item_id: {**answer, "items": similar})
    app.add_url_rule("/v1/items/<item_id>/bought-together", "together", lambda item_id: {**answer, "items": []})
    app.after_request(partial(_readable_by, shop_url))
    return app


def _card(shop_url: str, rank: int, item: Item) -> dict[str, object]:
    picture, page = addresses(shop_url, item.item_id)
    reason = {"code": "similar_to", "item_id": _ITEMS[0].item_id, "title": _ITEMS[0].title}
    place = {"img_url": picture, "url": page, "currency": "EUR", "rank": rank, "rung": "related", "reason": reason}
    return {**asdict(item), **place}


def _readable_by(shop_url: str, response: Response) -> Response:
    response.headers["Access-Control-Allow-Origin"] = shop_url
    return response


def _trace(browser: Browser, url: str) -> list[Event]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.add_init_script(_WATCH)
    browser.start_tracing(page=page, categories=_CATEGORIES)
    page.goto(url)
    page.wait_for_function(f"() => performance.getEntriesByName('{_PAINTED}').length > 0")
    trace = browser.stop_tracing()
    page.close()
    events: list[Event] = json.loads(trace)["traceEvents"]
    return events


def _busy_ms(events: list[Event]) -> float:
    """The main thread's processor time between the answer and the painted cards."""
    [asked] = [event for event in events if _is_request(event)]
    arrived = next(event for event in events if _is_response(event, asked["args"]["data"]["requestId"]))
    painted = next(event for event in events if event["name"] == _PAINTED)
    thread = (painted["pid"], painted["tid"])
    tasks = [event for event in events if event["name"] == _TASK and (event["pid"], event["tid"]) == thread]
    span = float(arrived["ts"]), float(painted["ts"])
    return sum(_share(task, *span) * float(task.get("tdur", 0)) for task in tasks) / 1000


def _share(task: Event, start: float, end: float) -> float:
    """How much of a task lies between two moments."""
    begun, length = float(task["ts"]), float(task.get("dur", 0))
    inside = min(begun + length, end) - max(begun, start)
    return max(0.0, inside / length) if length else 0.0


def _is_response(event: Event, request: str) -> bool:
    return bool(event["name"] == "ResourceReceiveResponse" and event["args"]["data"]["requestId"] == request)


def _is_request(event: Event) -> bool:
    return bool(event["name"] == "ResourceSendRequest" and "/similar?" in event["args"]["data"]["url"])
