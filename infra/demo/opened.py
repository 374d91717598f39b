"""The demo's shop with everything that it needs: the stack, and the storefront beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from common.edges.wiring import make_context
from infra.demo.recommend_client import RecommendClient
from infra.demo.shop import Shop, build_shop
from infra.demo.steps import Demo
from infra.demo.storefront import Storefront, create_app
from infra.local.ports import HOST
from infra.local.stack import Stack


def read_shop(directory: Path, ports: Mapping[str, int]) -> Shop:
    """The grocer's year as files to upload, for a storefront at its port."""
    return build_shop(directory / "shop", datetime.now(UTC), f"http://{HOST}:{ports['storefront']}")


@contextmanager
def open_demo(console: Console, directory: Path, ports: Mapping[str, int], shop: Shop) -> Iterator[Demo]:
    """Runs until the end of the block. Nothing is uploaded yet."""
    status = console.status("starting")
    with status, Stack(directory, ports=ports, say=lambda part: status.update(f"starting {part}")) as stack:
        status.stop()
        titles = {item.item_id: item.title for item in shop.catalogue.values()}
        client = RecommendClient(stack.url("recommend"), stack.environment.secret("RECSYS_TOKEN_KEY"), titles)
        demo = Demo(console, stack, make_context(stack.environment.of_operator()), shop, client)
        with Storefront(create_app(shop, client, demo.ctx), ports["storefront"]):
            yield demo
