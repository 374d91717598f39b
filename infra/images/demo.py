"""The demo's job with each function and each job started from its image."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from common.edges.wiring import make_context
from common.usecases.ingest.upload import UploadKind
from infra.demo import visitors
from infra.demo.checks import require
from infra.demo.recommend_client import RecommendClient
from infra.demo.shop import build_shop
from infra.demo.steps import Demo
from infra.images.engine import Engine
from infra.local.launch import Launch, Program
from infra.local.manifest import Container
from infra.local.ports import HOST
from infra.local.stack import Stack

_OF_THE_IMAGE = ("PATH", "HOME", "RECSYS_CACHE_DIR")


def launch_from(engine: Engine) -> Launch:
    """Starts containers of template.yaml in their images, with directories of this machine in the places of volumes."""

    def launch(container: Container, env: Mapping[str, str]) -> Program:
        writable = {"/cache": Path(env["RECSYS_CACHE_DIR"]), "/tmp": Path(env["HOME"])}
        for directory in writable.values():
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o777)
        inside = {name: value for name, value in env.items() if name not in _OF_THE_IMAGE}
        return engine.program(container.image, container.command, inside, writable)

    return launch


def run_demo(engine: Engine, directory: Path, ports: Mapping[str, int], console: Console) -> None:
    """Uploads, trains, recommends, brings up to date and sweeps. Raises `DemoError` or `StartError`."""
    with console.status("reading the grocer's year"):
        shop = build_shop(directory / "shop", datetime.now(UTC), f"http://{HOST}:{ports['storefront']}")
    titles = {item.item_id: item.title for item in shop.catalogue.values()}
    with Stack(directory, ports=ports, launch=launch_from(engine)) as stack:
        client = RecommendClient(stack.url("recommend"), stack.environment.secret("RECSYS_TOKEN_KEY"), titles)
        demo = Demo(console, stack, make_context(stack.environment.of_operator()), shop, client)
        for path, kind in ((shop.items, UploadKind.ITEMS), (shop.events, UploadKind.EVENTS)):
            demo.take_in(path, kind)
        demo.train()
        bundle = demo.served()
        for visit in visitors.visits(shop, client):
            visitors.show(console, visit)
        change = demo.change()
        require(stack.run_job("sweep") == 0, "the sweep's job fails in its image; its log is beside the functions'")
        console.print(
            f"{bundle.model.family} is served from the images; a new product was seen after {change.product_s:.1f} s, "
            f"a person's purchases after {change.person_s:.1f} s",
            soft_wrap=True,
        )
