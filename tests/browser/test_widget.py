"""The carousel's script on a shop's page, with recommendations of the running stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html import escape
from pathlib import Path
from typing import Any

import jwt
import pytest
from flask import Flask, Response, send_file
from playwright.sync_api import Browser, Page, expect

from infra.demo.storefront import Storefront
from tests import small_shop
from tests.whole import Filled

pytestmark = pytest.mark.browser

PERSON = small_shop.person_id(1)
PAGE_ITEM = small_shop.item_id("tea", 0)

Open = Callable[..., Page]


@pytest.fixture
def open_page(filled: Filled, script: Path, browser: Browser) -> Iterator[Open]:
    """`open_page(kind="similar", item_id="a")`: a page of the shop with such a tag.

    It must not complain, nor ask anybody but the shop and the recommend function.
    """
    stack = filled.whole.stack
    pages: dict[str, str] = {}
    app = Flask(__name__)
    app.add_url_rule("/", "home", lambda: Response(pages["/"]))
    app.add_url_rule("/recsys-carousel.js", "script", lambda: send_file(script))
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    asked: set[str] = set()
    complaints: list[str] = []

    def open_page(**attributes: str) -> Page:
        pages["/"] = _page(endpoint=stack.url("recommend"), **attributes)
        page = context.new_page()
        page.on("request", lambda request: asked.add("/".join(request.url.split("/", 3)[:3])))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(stack.url("storefront"))
        return page

    with Storefront(app, stack.ports["storefront"]):
        yield open_page
        context.close()
    assert asked <= {stack.url("storefront"), stack.url("recommend")}
    assert [complaint for complaint in complaints if "Failed to load resource" not in complaint] == []


def _page(**attributes: str) -> str:
    written = " ".join(f'{name.replace("_", "-")}="{escape(value)}"' for name, value in attributes.items())
    return (
        '<!doctype html><html lang="en"><title>Shop</title><link rel="icon" href="data:,">'
        "<script>document.addEventListener('recsys:error', ({detail}) => window.failure = detail)</script>"
        f'<script src="/recsys-carousel.js"></script><recsys-carousel {written}></recsys-carousel></html>'
    )


def shown(page: Page) -> list[dict[str, str]]:
    """What each card says: title, price and reason."""
    cards = page.locator("recsys-carousel").get_by_role("listitem")
    expect(cards.first.locator("[part=title]")).to_be_visible()
    parts = {part: cards.locator(f"[part={part}]").all_inner_texts() for part in ("title", "price", "reason")}
    return [dict(zip(parts, values, strict=True)) for values in zip(*parts.values(), strict=True)]


def kept(page: Page) -> Any:
    return page.evaluate("[document.cookie, ...Object.entries(sessionStorage), ...Object.entries(localStorage)]")


def token(filled: Filled, key: str | None = None) -> str:
    key = key or filled.whole.stack.environment.secret("RECSYS_TOKEN_KEY")
    return jwt.encode({"sub": PERSON, "exp": datetime.now(UTC) + timedelta(minutes=5)}, key, algorithm="HS256")


def test_what_is_popular(open_page: Open) -> None:
    page = open_page(kind="popular", n="24", currency="EUR")
    cards = shown(page)
    assert len(cards) == 24
    assert cards[0]["price"].startswith("€")
    assert {card["reason"] for card in cards} == {"Popular this week"}
    assert kept(page) == [""]


def test_a_category_keeps_to_itself(open_page: Open) -> None:
    cards = shown(open_page(kind="popular", category="soap"))
    assert len(cards) == 12
    assert all(card["title"].startswith("soap") for card in cards)


def test_what_is_like_an_item_says_so_by_its_title(open_page: Open) -> None:
    cards = shown(open_page(kind="similar", item_id=PAGE_ITEM))
    assert "\u2068tea no. 0\u2069" in cards[0]["reason"]
    assert "tea no. 0" not in {card["title"] for card in cards}


def test_a_basket_gets_what_goes_with_it(open_page: Open) -> None:
    basket = [small_shop.item_id("cheese", number) for number in range(3)]
    cards = shown(open_page(kind="basket", basket=",".join(basket)))
    assert cards[0]["reason"].startswith("Goes with your basket")
    assert not {card["title"] for card in cards} & {f"cheese no. {number}" for number in range(3)}


def test_a_person_is_known_with_consent_only(open_page: Open, filled: Filled) -> None:
    anonymous = shown(open_page(kind="for-you", user_token=token(filled)))
    person = shown(open_page(kind="for-you", user_token=token(filled), consent="true"))
    own = ("Because you bought", "Bought before")
    told = [any(card["reason"].startswith(own) for card in cards) for cards in (anonymous, person)]
    assert told == [False, True]


def test_what_was_viewed_comes_back_by_its_card(open_page: Open) -> None:
    page = open_page(kind="similar", item_id=PAGE_ITEM, consent="true")
    shown(page)
    page.locator("recsys-carousel").evaluate("element => { element.removeAttribute('item-id'); element.kind }")
    page.locator("recsys-carousel").evaluate("element => element.setAttribute('kind', 'recently-viewed')")
    expect(page.locator("recsys-carousel").get_by_role("listitem")).to_have_count(1)
    assert [card["title"] for card in shown(page)] == ["tea no. 0"]


def test_a_wrong_token_shows_nothing_and_is_told(open_page: Open, filled: Filled) -> None:
    page = open_page(
        kind="for-you", user_token=token(filled, key="another key, as long as the right one"), consent="true"
    )
    page.wait_for_function("window.failure")
    failure = page.evaluate("window.failure")
    assert (failure["code"], failure["status"]) == ("http", 401)
    expect(page.locator("recsys-carousel").get_by_role("region")).to_have_count(0)
