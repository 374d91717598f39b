from __future__ import annotations

import json
from dataclasses import replace

import numpy as np

from common.usecases.publish.layers.cards import cards_of
from tests.shops import catalogue


def test_every_card_has_the_same_fields() -> None:
    items = catalogue([("i1", "shoes", "acme", 12.5), ("i2", "", "", float("nan"))])
    items = replace(items, titles=('Läufer "7"\n', ""), urls=("/p/1?a=1&b=2", ""), currencies=("EUR", ""))
    first, second = (json.loads(card) for card in cards_of(items))
    assert first == {
        "item_id": "i1",
        "title": 'Läufer "7"\n',
        "category": "shoes",
        "brand": "acme",
        "price": 12.5,
        "currency": "EUR",
        "img_url": None,
        "url": "/p/1?a=1&b=2",
    }
    assert list(second) == list(first)
    assert [name for name, value in second.items() if value is not None] == ["item_id"]


def test_a_card_is_one_line_of_utf_8() -> None:
    [card] = cards_of(replace(catalogue([("ø", "a\u2028b", "c", 1.0)]), prices=np.array([1e-7])))
    assert b"\n" not in card
    assert "ø".encode() in card
    assert json.loads(card)["price"] == 1e-7
