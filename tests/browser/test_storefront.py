"""The demo's storefront in a real browser, with recommendations of the running stack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, Response, expect
from rich.console import Console

from common.usecases.ingest.upload import UploadKind
from infra.demo.pages import SHOP_NAME
from infra.demo.shop import Item, Person, Shop, addresses
from infra.demo.steps import Demo
from infra.demo.storefront import Storefront, create_app
from infra.demo.tour import walk
from tests import small_shop
from tests.whole import DEADLINE_S, Filled, until

pytestmark = pytest.mark.browser

SIZES = {"phone": (390, 844), "desktop": (1440, 900)}
MARKUP = "<b>bold</b> & \"quoted\" <script>document.title='taken'</script>"
PEOPLE = tuple(
    Person(small_shop.person_id(number), f"Person {number}", f"buys {small_shop.aisle_of(number)}")
    for number in range(3)
)
BUYER = PEOPLE[2]


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
def url(filled: Filled, shop: Shop, script: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of the storefront, once cards lead to it."""
    whole = filled.whole
    url = whole.stack.url("storefront")
    hostile = ("hostile", "tea", MARKUP, 1.0, MARKUP, *addresses(url, "hostile"))
    path = tmp_path_factory.mktemp("storefront") / "items.csv"
    items = small_shop.write_items(path, extra=[hostile], shop_url=url)
    whole.take_in(items, UploadKind.ITEMS)
    until(lambda: url in str((whole.client.answer("GET", "/v1/popular", {}) or pytest.fail("no answer")).json()))
    with Storefront(create_app(shop, whole.client, whole.ctx, script), whole.stack.ports["storefront"]):
        yield url


@dataclass
class Visit:
    """A browser at the shop's door. The shop's pages must not complain, nor ask anybody but the shop and recommend."""

    page: Page
    url: str
    endpoint: str
    complaints: list[str] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._request)
        self.open("/")

    def open(self, path: str) -> Response:
        answer = self.page.goto(self.url + path)
        assert answer is not None
        return answer

    def become(self, person: Person) -> None:
        self.page.get_by_role("button", name=person.name, exact=True).click()

    def switch_consent(self, on: bool) -> None:
        switch = self.page.get_by_role("switch")
        switch.click()
        expect(switch).to_have_attribute("aria-checked", str(on).lower())

    def carousel(self, kind: str) -> Locator:
        return self.page.locator(f"recsys-carousel[kind={kind}]")

    def titles(self, kind: str) -> list[str]:
        """Of the cards, once they are there and nothing is cut off at the side."""
        titles = self.carousel(kind).locator("[part=title]")
        expect(titles.first).to_be_visible()
        assert self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        return titles.all_inner_texts()

    def kept(self) -> tuple[set[Any], list[str]]:
        """The names of cookies, and the keys of both storages."""
        keys = self.page.evaluate("[...Object.keys(sessionStorage), ...Object.keys(localStorage)]")
        return {cookie.get("name") for cookie in self.page.context.cookies()}, keys

    def _console(self, message: ConsoleMessage) -> None:
        self.complaints.append(f"{message.text} ({message.location['url']})")

    def _request(self, request: Request) -> None:
        if request.url.startswith(f"{self.endpoint}/"):
            self.asked.append(request)
        elif not request.url.startswith(f"{self.url}/"):
            self.complaints.append(f"asked {request.url}")


@pytest.fixture
def size() -> str:
    return "desktop"


@pytest.fixture
def visit(size: str, browser: Browser, url: str, filled: Filled) -> Iterator[Visit]:
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height})
    visit = Visit(context.new_page(), url, filled.whole.stack.url("recommend"))
    yield visit
    context.close()
    assert visit.complaints == []


@pytest.mark.parametrize("size", SIZES)
def test_every_page_has_its_carousel(visit: Visit) -> None:
    assert len(visit.titles("popular")) == 12
    picture = visit.carousel("popular").locator("img").first
    expect(picture).to_have_js_property("naturalWidth", 320)
    visit.page.get_by_role("navigation").get_by_role("link", name="soap").click()
    assert {title.split()[0] for title in visit.titles("popular")} == {"soap"}
    visit.carousel("popular").get_by_role("link").first.click()
    name = visit.page.locator("h1").inner_text()
    assert name not in visit.titles("similar")
    visit.page.get_by_role("button", name="Add to basket").click()
    expect(visit.page.locator(".lines .name")).to_have_text([name])
    assert name not in visit.titles("basket")
    visit.page.get_by_role("button", name=f"Remove: {name}").click()
    assert len(visit.titles("popular")) == 12


def test_people_who_agreed_see_their_own(visit: Visit) -> None:
    visit.become(PEOPLE[0])
    expect(visit.carousel("popular")).to_be_visible()
    expect(visit.carousel("for-you")).to_have_count(0)
    visit.switch_consent(True)
    seen = [visit.titles("for-you")]
    visit.become(PEOPLE[1])
    expect(visit.page.locator(".hero")).to_contain_text(PEOPLE[1].label)
    seen.append(visit.titles("for-you"))
    assert seen[0] != seen[1]


def test_without_consent_nobody_is_named_and_nothing_kept(visit: Visit) -> None:
    visit.become(PEOPLE[0])
    visit.open("/items/tea-1")
    visit.titles("similar")
    visit.page.get_by_role("button", name="Add to basket").click()
    visit.titles("basket")
    assert visit.kept() == ({"session"}, [])
    assert visit.asked
    told = {name for request in visit.asked for name, value in request.all_headers().items() if value}
    assert not told & {"authorization", "cookie", "referer"}


def test_what_was_viewed_is_forgotten_with_the_consent_and_the_visitor(visit: Visit) -> None:
    visit.switch_consent(True)
    visit.open("/items/tea-1")
    visit.titles("similar")
    visit.open("/")
    assert visit.titles("recently-viewed") == ["tea no. 1"]
    visit.become(PEOPLE[0])
    visit.titles("for-you")
    assert visit.kept() == ({"session"}, [])
    visit.open("/items/tea-2")
    visit.titles("similar")
    assert visit.kept() == ({"session"}, ["recsys.session"])
    visit.switch_consent(False)
    visit.page.wait_for_function("sessionStorage.length === 0")  # once the page that follows has run its script
    assert visit.kept() == ({"session"}, [])


def test_a_purchase_changes_the_carousel_by_itself(visit: Visit) -> None:
    visit.become(BUYER)
    visit.switch_consent(True)
    shown = visit.titles("for-you")
    chosen = shown[0]
    cards = visit.carousel("for-you").get_by_role("listitem")
    before = cards.all_inner_texts()
    visit.carousel("for-you").get_by_role("link").first.click()
    expect(visit.page.locator("h1")).to_have_text(chosen)
    visit.page.get_by_role("button", name="Add to basket").click()
    visit.page.get_by_role("button", name="Buy now").click()
    expect(visit.page.locator(".news")).to_have_attribute("data-state", "done", timeout=DEADLINE_S * 1000)
    expect(cards).not_to_have_text(before, timeout=DEADLINE_S * 1000)
    after = visit.titles("for-you")
    assert len(after) == 12
    fresh = visit.carousel("for-you").locator("[part~=fresh]")
    expect(fresh).to_have_count(len(set(after) - set(shown)))
    expect(visit.page.locator(".news")).to_contain_text(f"{fresh.count()} of 12 cards are new")


def test_each_place_has_its_own_list(visit: Visit) -> None:
    """Under a heading of its own; a list of somebody who is not known takes no room."""
    visit.become(PEOPLE[0])
    visit.switch_consent(True)
    headings = {"for-you": "Recommended for you", "buy-again": "Buy it again", "newest": "New in"}
    for kind, heading in headings.items():
        visit.titles(kind)
        expect(visit.carousel(kind).get_by_role("heading", level=2)).to_have_text(heading)
    again = visit.carousel("buy-again").locator("[part=reason]")
    assert set(again.all_inner_texts()) == {"Bought before"}
    assert not set(visit.titles("buy-again")) & set(visit.titles("for-you"))
    visit.open("/items/cheese-0")
    visit.titles("bought-together")
    visit.page.get_by_role("button", name="Add to basket").click()
    reasons = visit.carousel("basket").locator("[part=reason]")
    expect(reasons.first).to_contain_text("Goes with your basket")
    assert {text.partition(":")[0] for text in reasons.all_inner_texts()} == {"Goes with your basket"}
    visit.page.get_by_role("button", name="Buy now").click()
    because = visit.carousel("because-you-bought").locator("[part=reason]")
    expect(because.first).to_contain_text("Because you bought", timeout=DEADLINE_S * 1000)


def test_a_stranger_s_page_has_no_empty_frames(visit: Visit) -> None:
    visit.switch_consent(True)
    visit.titles("popular")
    for kind in ("buy-again", "because-you-bought", "because-you-viewed", "recently-viewed", "basket"):
        visit.page.evaluate(
            """kind => {
                const tag = document.createElement("recsys-carousel");
                tag.setAttribute("endpoint", document.querySelector("recsys-carousel").getAttribute("endpoint"));
                tag.setAttribute("kind", kind);
                tag.setAttribute("class", "added");
                document.querySelector("main").prepend(tag);
            }""",
            kind,
        )
    visit.page.wait_for_load_state("networkidle")
    added = visit.page.locator("recsys-carousel.added")
    expect(added).to_have_count(5)
    for tag in added.all():
        expect(tag.get_by_role("region")).to_have_count(0)
        assert (tag.bounding_box() or {"height": 0})["height"] == 0


def test_markup_in_a_title_is_text(visit: Visit) -> None:
    answer = visit.open("/items/hostile")
    assert visit.page.locator("h1").inner_text() == MARKUP
    assert visit.page.title() == f"{MARKUP} · {SHOP_NAME}"
    rules = answer.headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", f"connect-src {visit.endpoint}"} <= set(rules)


def test_the_demo_walks_through_every_page(url: str, filled: Filled, shop: Shop) -> None:
    whole = filled.whole
    assert url == whole.stack.url("storefront")
    walk(Demo(Console(quiet=True), whole.stack, whole.ctx, shop, whole.client))


@pytest.mark.parametrize("path", ["/items/absent", "/aisles/absent", "/pictures/absent.svg"])
def test_what_the_shop_does_not_have_is_not_found(url: str, browser: Browser, path: str) -> None:
    page = browser.new_page()
    answer = page.goto(url + path)
    assert answer is not None
    assert answer.status == 404
    page.close()
