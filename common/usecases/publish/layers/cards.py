"""Item cards: the JSON bytes about an item in an answer, which recommend joins without parsing."""

from __future__ import annotations

import json
import math

from common.schemas.data import Catalogue


def cards_of(catalogue: Catalogue) -> tuple[bytes, ...]:
    """One UTF-8 JSON object for each item, all with the same fields; null where the shop gave nothing."""
    columns = zip(
        catalogue.item_ids,
        catalogue.titles,
        catalogue.categories,
        catalogue.brands,
        catalogue.prices.tolist(),
        catalogue.currencies,
        catalogue.img_urls,
        catalogue.urls,
        strict=True,
    )
    return tuple(_card(*row) for row in columns)


def _card(
    item_id: str, title: str, category: str, brand: str, price: float, currency: str, img_url: str, url: str
) -> bytes:
    fields = {
        "item_id": item_id,
        "title": title or None,
        "category": category or None,
        "brand": brand or None,
        "price": None if math.isnan(price) else price,
        "currency": currency or None,
        "img_url": img_url or None,
        "url": url or None,
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
