"""The two pictures of the first page, taken of the demo: its storefront with carousels, and the report of its training.

python -m infra.demo.screenshots     writes docs/pictures/storefront.png and report.png
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from playwright.sync_api import Browser, FloatRect, Locator, Page, ViewportSize, expect, sync_playwright
from rich.console import Console

from common.usecases.ingest.upload import UploadKind
from common.usecases.shared.report_files import fetch_page
from common.usecases.train.train import TrainOptions, train
from infra.demo.browser import CHROMIUM, FLAGS
from infra.demo.checks import require
from infra.demo.opened import open_demo, read_shop
from infra.demo.steps import Demo
from infra.local.children import end_on_signals
from infra.local.ports import free_ports
from infra.local.stack import ROOT

PICTURES = ROOT / "docs" / "pictures"
MAX_BYTES = 200_000
POLL_MS = 100
MARGIN = 24
SIZE: Final[ViewportSize] = {"width": 1000, "height": 1600}
TRAINING = TrainOptions(families=("als",), budget_s=300)
"""Here and not in the train function, whose requests have an end: with much other work a machine takes longer."""

SEEN_AND_LOADED: Final = """tag => [...tag.shadowRoot.querySelectorAll("img")]
    .filter(image => image.getBoundingClientRect().left < tag.getBoundingClientRect().right)
    .every(image => image.complete && image.naturalWidth > 0)"""
"""Of a carousel that is in view; pictures beyond its edge are loaded when somebody scrolls to them."""


def main() -> int:
    end_on_signals()
    console, ports = Console(), free_ports()
    with TemporaryDirectory(prefix="recsys-screenshots-") as name:
        directory = Path(name)
        logging.basicConfig(filename=directory / "stack.log", level=logging.INFO)
        shop = read_shop(directory, ports)
        with open_demo(console, directory, ports, shop) as demo, sync_playwright() as playwright:
            demo.take_in(shop.items, UploadKind.ITEMS)
            demo.take_in(shop.events, UploadKind.EVENTS)
            train(demo.ctx, TRAINING)
            demo.served()
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            take_pictures(browser, demo, PICTURES)
            browser.close()
    return 0


def take_pictures(browser: Browser, demo: Demo, out: Path) -> None:
    """Raises `DemoError` where a picture is over `MAX_BYTES`, and playwright's errors where something does not come."""
    out.mkdir(parents=True, exist_ok=True)
    page = browser.new_page(viewport=SIZE, reduced_motion="reduce")
    _open_product(page, demo)
    _shoot(page, page.locator("footer"), out / "storefront.png")
    with TemporaryDirectory() as directory:
        report = Path(directory) / "report.html"
        report.write_bytes(fetch_page(demo.ctx).html)
        page.goto(report.as_uri())
        _shoot(page, page.locator("#models"), out / "report.png")
    page.close()


def _open_product(page: Page, demo: Demo) -> None:
    """The page of what sells best in the first aisle, with what is like it and what is bought together with it."""
    shop = demo.shop
    item = next(item for item in shop.catalogue.values() if item.category == shop.aisles[0])
    page.goto(f"{demo.stack.url('storefront')}/items/{item.item_id}")
    for kind in ("similar", "bought-together"):
        carousel = page.locator(f"recsys-carousel[kind={kind}]")
        expect(carousel.locator("[part=title]")).to_have_count(12)
        while not carousel.evaluate(SEEN_AND_LOADED):
            page.wait_for_timeout(POLL_MS)


def _shoot(page: Page, next_part: Locator, path: Path) -> None:
    """The page above `next_part`, which begins with a margin."""
    box = next_part.bounding_box()
    assert box is not None
    part: FloatRect = {"x": 0, "y": 0, "width": SIZE["width"], "height": box["y"] - MARGIN}
    page.screenshot(path=path, full_page=True, clip=part, animations="disabled")
    size = path.stat().st_size
    require(size <= MAX_BYTES, f"{path} has {size:,} bytes, more than {MAX_BYTES:,}")
    print(f"{path.relative_to(ROOT)}: {size:,} bytes")


if __name__ == "__main__":
    sys.exit(main())
