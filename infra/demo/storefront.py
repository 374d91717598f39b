"""The demo's storefront: a grocer's pages with the carousel's script and tags, as in any shop.

The pages come from the shop's catalogue. The visitor's browser requests the recommendations.
"""

from __future__ import annotations

import secrets
import threading
from functools import partial
from pathlib import Path
from types import TracebackType

from flask import Flask, Response, send_file
from werkzeug.serving import make_server

from common.usecases.shared.context import Context
from infra.demo.checkout import Checkout
from infra.demo.pages import Pages
from infra.demo.recommend_client import RecommendClient
from infra.demo.shop import Shop
from infra.local.ports import HOST
from infra.local.stack import ROOT

WIDGET = ROOT / "widget" / "dist" / "element" / "recsys-carousel.js"
"""The widget's script, which `make widget` builds."""


def create_app(shop: Shop, client: RecommendClient, ctx: Context, script: Path = WIDGET) -> Flask:
    """Returns the storefront's application. The shop's back end uploads purchases with `ctx`."""
    app = Flask(__name__)
    app.secret_key = secrets.token_bytes(32)
    app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
    app.jinja_env.filters["euros"] = _euros
    pages = Pages(shop, client, Checkout(ctx, client))
    for path, view in pages.views().items():
        app.add_url_rule(path, view.__name__, view)
    for path, view in pages.actions().items():
        app.add_url_rule(path, view.__name__, view, methods=["POST"])
    app.add_url_rule("/recsys-carousel.js", "widget", lambda: send_file(script))
    app.context_processor(pages.shared)
    app.after_request(partial(_confined, client.url))
    return app


class Storefront:
    """The server of `app` on `port` of the loopback interface, which runs inside `with`."""

    def __init__(self, app: Flask, port: int) -> None:
        self._server = make_server(HOST, port, app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, name="storefront", daemon=True)

    def __enter__(self) -> Storefront:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _confined(endpoint: str, response: Response) -> Response:
    """Adds a policy that allows only the shop's own files and requests to the recommend function."""
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src {endpoint}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def _euros(price: float) -> str:
    return f"€{price:.2f}" if price else ""
