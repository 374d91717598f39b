"""The carousel: sizes against their budgets, and the main thread's time from the answer's arrival to painted cards.

The time is the median over page loads, each traced by Chromium: the processor time of all tasks of the page's main
thread between the moment at which the answer's head arrives and the second frame after the cards are in the document.
"""

from __future__ import annotations

import json
import logging
import re
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask, Response, send_file
from playwright.sync_api import Browser, sync_playwright

from infra.demo.storefront import Storefront
from infra.local.ports import HOST, free_ports
from tests.bench.row import Row

ROWS = ("widget: script, gzip", "widget: React package, gzip", "widget: first render of 12 cards")
_WIDGET = Path(__file__).parents[2] / "widget"
_SCRIPT = _WIDGET / "dist" / "element" / "recsys-carousel.js"
_BUDGET_MS = 50.0
_LOADS = 15
_CARDS = 12
_PAINTED = "cards painted"
_TASK = "ThreadControllerImpl::RunTask"
_CATEGORIES = ["toplevel", "devtools.timeline", "blink.user_timing"]
_PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><circle cx="4" cy="4" r="3" fill="teal"/></svg>'
_PAGE = f"""<!doctype html><html lang="en"><title>Product</title><link rel="icon" href="data:,">
<script src="/recsys-carousel.js"></script><h1>Product</h1>
<recsys-carousel endpoint="" kind="similar" item-id="a"></recsys-carousel>
<script>
  const carousel = document.querySelector("recsys-carousel");
  const painted = () => requestAnimationFrame(() => requestAnimationFrame(() => performance.mark("{_PAINTED}")));
  new MutationObserver((_, observer) => {{
    if (!carousel.shadowRoot.querySelector("a[part=card]")) return;
    observer.disconnect();
    painted();
  }}).observe(carousel.shadowRoot, {{ childList: true, subtree: true }});
  carousel.setAttribute("endpoint", location.origin);
</script></html>"""

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
    app = Flask(__name__)
    app.add_url_rule("/", "page", lambda: Response(_PAGE))
    app.add_url_rule("/recsys-carousel.js", "script", lambda: send_file(_SCRIPT))
    app.add_url_rule("/v1/items/a/similar", "similar", lambda: {"bundle_id": "b", "model": "als", "items": _items()})
    app.add_url_rule("/p/<n>.svg", "picture", lambda n: Response(_PICTURE, mimetype="image/svg+xml"))
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    port = free_ports()["storefront"]
    with Storefront(app, port):
        yield f"http://{HOST}:{port}"


def _items() -> list[dict[str, object]]:
    reason = {"code": "similar_to", "item_id": "a", "title": "Mountain cheese"}
    words = {"title": "Extra virgin olive oil, 750 ml", "category": "Pantry", "brand": "Oliveto", "currency": "EUR"}
    fields: dict[str, object] = {**words, "price": 2.5, "rung": "related", "reason": reason}
    own = ({"item_id": f"i{n}", "img_url": f"/p/{n}.svg", "url": f"/i/{n}", "rank": n} for n in range(1, _CARDS + 1))
    return [{**fields, **item} for item in own]


def _trace(browser: Browser, url: str) -> list[Event]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    browser.start_tracing(page=page, categories=_CATEGORIES)
    page.goto(url)
    page.wait_for_function(f"performance.getEntriesByName('{_PAINTED}').length > 0")
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
    return event["name"] == "ResourceSendRequest" and bool(re.search("/v1/items/", event["args"]["data"]["url"]))
