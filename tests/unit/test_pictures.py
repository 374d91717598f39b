"""The demo's drawn pictures."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from infra.demo import pictures
from infra.demo.pictures import picture
from infra.demo.shop import Item


def item(item_id: str, category: str, title: str = "a product") -> Item:
    return Item(item_id, title, category, "a maker", 1.0)


def test_every_kind_is_drawn() -> None:
    shapes = {shape for _, shape, _ in pictures._KINDS} | {shape for _, shape in pictures._PACKS}
    motifs = {f"motif-{number}" for number in range(pictures._MOTIFS)}
    assert shapes | motifs | {pictures._OTHER[0]} == set(pictures._drawings())


@pytest.mark.parametrize("category", ["Cheese", "Soft drinks", "Something nobody thought of", "", "<b> & {c}"])
def test_products_of_a_category_look_different_and_always_the_same(category: str) -> None:
    drawn = [picture(item(f"i{number}", category)) for number in range(50)]
    assert len(set(drawn)) == len(drawn)
    assert picture(item("i0", category)) == drawn[0]
    assert ElementTree.fromstring(drawn[0]).get("width") == "320"


def test_a_title_can_tell_more_than_the_category() -> None:
    assert picture(item("i", "Cheese", "Shredded cheese, 8 oz")) != picture(item("i", "Cheese", "Loaf cheese"))
