"""What answers say of items: cards by id, and the title of the item that is the reason."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.schemas.data import F32
from common.serving.answer import render, render_cards
from common.serving.bundle import ServedBundle
from common.serving.evidence import ItemReason, Reason
from common.serving.ranking import Pick, Rung
from tests.bundles import Goods, layer_content, open_layers

TITLES = ["Tea", 'Müsli "crunchy", "title": "no"', None]


@pytest.fixture
def bundle(tmp_path: Path) -> ServedBundle:
    vectors: F32 = np.eye(3, dtype=np.float32)
    cards = [{"item_id": f"i{number}", "title": title, "category": "Food"} for number, title in enumerate(TITLES)]
    goods = Goods(range(3), vectors, titles=[title or "" for title in TITLES], available=[True, True, False])
    stored = tuple(json.dumps(card, ensure_ascii=False, separators=(",", ":")).encode() for card in cards)
    return open_layers([replace(layer_content(goods), cards=stored)], tmp_path)


def reason_of(bundle: ServedBundle, cause: ItemReason) -> dict[str, Any]:
    answer = json.loads(render(bundle, [Pick(0, Rung.PERSONAL, cause)]))
    reason: dict[str, Any] = answer["items"][0]["reason"]
    return reason


def test_reason_names_the_item_by_its_title(bundle: ServedBundle) -> None:
    reason = reason_of(bundle, ItemReason(Reason.BECAUSE_YOU_BOUGHT, 1))
    assert reason == {"code": "because_you_bought", "item_id": "i1", "title": TITLES[1]}


def test_reason_without_a_title(bundle: ServedBundle) -> None:
    assert reason_of(bundle, ItemReason(Reason.SIMILAR_TO, 2)) == {"code": "similar_to", "item_id": "i2"}
    assert reason_of(bundle, ItemReason(Reason.POPULAR)) == {"code": "popular"}


def test_cards_come_in_the_order_asked(bundle: ServedBundle) -> None:
    answer = json.loads(render_cards(bundle, [2, 0]))
    assert answer["bundle_id"] == bundle.document.bundle_id
    told = [(item["item_id"], item["title"], item["available"]) for item in answer["items"]]
    assert told == [("i2", None, False), ("i0", "Tea", True)]
