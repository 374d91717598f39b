"""The demo's storefront in a real browser, with recommendations of the running stack."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from infra.demo.shop import Item, Person, Shop
from infra.demo.storefront import SHOP_NAME, Storefront, create_app
from infra.local.ports import free_ports
from tests import small_shop
from tests.whole import Filled

pytestmark = pytest.mark.browser

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
SIZES = {"phone": (390, 844), "desktop": (1280, 900)}
MARKUP = "<b>bold</b> & \"quoted\" <script>document.title='taken'</script>"
PEOPLE = tuple(Person(small_shop.person_id(number), f"buys {small_shop.aisle_of(number)}") for number in range(4))


@pytest.fixture(scope="module")
def shop() -> Shop:
    items = [
        Item(small_shop.item_id(aisle, number), f"{aisle} no. {number}", aisle, f"{aisle} maker", 1.5)
        for aisle in small_shop.AISLES
        for number in range(small_shop.ITEMS_PER_AISLE)
    ]
    hostile = Item("hostile", MARKUP, "tea", MARKUP, 1.0)
    nowhere = Path("/nowhere")
    return Shop(
        events=nowhere, items=nowhere, new_events=nowhere, new_items=nowhere, new_item=hostile, people=PEOPLE,
        basket=("tea-1",), page_item="tea-1", aisles=small_shop.AISLES,
        catalogue={item.item_id: item for item in (*items, hostile)},
    )  # fmt: skip


@pytest.fixture(scope="module")
def url(filled: Filled, shop: Shop) -> Iterator[str]:
    port = free_ports()["storefront"]
    with Storefront(create_app(shop, filled.whole.client), port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page, and what a page must not do: complain, or ask anybody else for anything."""

    page: Page
    origin: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        self.complaints.append(message.text)

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.origin, "data:")):
            self.complaints.append(f"asked {request.url}")

    def titles(self) -> list[str]:
        return self.page.locator(".rail").first.locator(".name").all_inner_texts()

    def become(self, label: str) -> None:
        self.page.select_option("#visitor", label=label)
        self.page.get_by_role("button", name="Switch").click()


@pytest.fixture(params=list(SIZES))
def visit(request: pytest.FixtureRequest, browser: Browser, url: str) -> Iterator[Visit]:
    width, height = SIZES[request.param]
    context = browser.new_context(viewport={"width": width, "height": height})
    visit = Visit(context.new_page(), url)
    visit.page.goto(url)
    yield visit
    context.close()
    assert visit.complaints == []


def fits(page: Page) -> bool:
    """Whether nothing is cut off at the side."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_another_visitor_sees_other_products(visit: Visit) -> None:
    nobody = visit.titles()
    assert len(nobody) == 10
    seen = []
    for person in PEOPLE[:2]:
        visit.become(person.label)
        assert person.label in visit.page.locator("main").inner_text()
        seen.append(visit.titles())
        assert len(seen[-1]) == 10
        assert fits(visit.page)
    assert seen[0] != seen[1]
    assert nobody not in seen


def test_a_category_keeps_to_itself(visit: Visit) -> None:
    visit.page.get_by_role("navigation").get_by_role("link", name="soap").click()
    shown = visit.page.locator(".card .meta").all_inner_texts()
    assert shown
    assert {text.split(" · ")[0] for text in shown} == {"soap"}


def test_a_product_leads_to_the_basket_and_the_basket_to_more(visit: Visit) -> None:
    visit.page.locator(".card a").first.click()
    assert len(visit.titles()) == 10
    name = visit.page.locator("h1").inner_text()
    visit.page.get_by_role("button", name="Add to basket").click()
    assert visit.page.locator(".lines .name").all_inner_texts() == [name]
    assert len(visit.titles()) == 10
    assert name not in visit.titles()
    assert fits(visit.page)
    visit.page.get_by_role("button", name=f"Remove {name}").click()
    assert "Basket (0)" in visit.page.locator("header").inner_text()


def test_markup_in_a_title_is_text(visit: Visit) -> None:
    visit.page.goto(f"{visit.origin}/items/hostile")
    assert visit.page.locator("h1").inner_text() == MARKUP
    assert visit.page.title() == f"{MARKUP} · {SHOP_NAME}"


def test_an_unknown_product_is_not_found(browser: Browser, url: str) -> None:
    page = browser.new_page()
    answer = page.goto(f"{url}/items/absent")
    assert answer is not None
    assert answer.status == 404
    page.close()
