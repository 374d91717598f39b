"""The catalogue rows of items that are served, read back from their cards."""

from __future__ import annotations

import json
import math

import numpy as np

from common.schemas.data import I32, Catalogue
from common.serving.items import Items


def described(items: Items, numbers: I32) -> Catalogue:
    """The rows of the items, without the upload's other columns."""
    cards = [json.loads(items.card(number)) for number in numbers.tolist()]

    def texts(field: str) -> tuple[str, ...]:
        return tuple(card[field] or "" for card in cards)

    return Catalogue(
        item_ids=texts("item_id"),
        categories=texts("category"),
        brands=texts("brand"),
        prices=np.array([math.nan if card["price"] is None else card["price"] for card in cards], dtype=np.float64),
        img_urls=texts("img_url"),
        titles=texts("title"),
        urls=texts("url"),
        currencies=texts("currency"),
        available=np.array([items.is_available(number) for number in numbers.tolist()], dtype=np.bool_),
        created_at=items.born_at(numbers),
        as_of=items.born_at(numbers),
        extra=tuple({} for _ in cards),
    )
