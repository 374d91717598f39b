"""The columns of the data contract, and their search in an upload."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from common.errors import FileRejected
from common.plain import SPACES
from common.schemas.data import REGULAR_PRICE

_SHOWN_NAMES: Final = 30
_SHOWN_LENGTH: Final = 40


AVAILABILITY: Final = "availability"
"""The column in which product feeds say in words what `available` says; it counts where a file has only this one."""


@dataclass(frozen=True)
class Contract:
    """The column names of one kind of upload."""

    required: tuple[str, ...]
    optional: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return self.required + self.optional


EVENTS: Final = Contract(
    required=("user_id", "item_id", "ts", "qty"),
    optional=("event_type", "order_id", "session_id", "price", "consent"),
)
ITEMS: Final = Contract(
    required=("item_id", "category", "brand", "price", "img_url"),
    optional=("title", "url", "currency", "available", AVAILABILITY, REGULAR_PRICE, "created_at"),
)
ERASURES: Final = Contract(required=("user_id",), optional=())

# Column names of shop systems for the same data, for hints in messages.
_ALIASES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "user_id": ("customer", "customer_id", "client", "client_id", "visitor_id", "uid", "kunde", "kundennummer"),
        "item_id": ("product", "product_id", "article", "article_id", "sku", "variant_id", "artikelnummer", "id"),
        "ts": ("timestamp", "date", "datetime", "time", "created_at", "event_time", "order_date", "datum"),
        "qty": ("quantity", "amount", "count", "units", "pieces", "menge", "anzahl"),
        "category": ("department", "product_type", "group", "kategorie"),
        "brand": ("manufacturer", "vendor", "marke", "hersteller"),
        "price": ("unit_price", "amount", "preis"),
        "img_url": ("image", "image_url", "image_link", "img", "picture", "bild"),
    }
)


def fold(name: str) -> str:
    """Returns a name in the form in which names are compared: in lower case, without spaces around it."""
    return name.strip(SPACES).casefold()


def match(found: Sequence[str], contract: Contract) -> dict[str, int]:
    """Returns the position in `found` of each column of the contract that is there.

    Raises `FileRejected` if two names are equal after `fold`, or if a required column is missing.
    """
    positions: defaultdict[str, list[int]] = defaultdict(list)
    for position, name in enumerate(found):
        if fold(name):
            positions[fold(name)].append(position)
    missing = [name for name in contract.required if name not in positions]
    if len(missing) == len(contract.required):
        # The names are not quoted, since they may be data: a file without a header begins with a row and its user id.
        raise FileRejected(
            f"none of the required columns is there: {', '.join(contract.required)}. "
            "The first line of a CSV file must name the columns"
        )
    if missing:
        raise FileRejected(_missing(missing, found))
    for same in positions.values():
        if len(same) > 1:
            names = " and ".join(repr(found[position]) for position in same)
            raise FileRejected(f"the columns {names} are the same name: rename or remove one")
    return {name: positions[name][0] for name in contract.names if name in positions}


def _missing(missing: Sequence[str], found: Sequence[str]) -> str:
    shown = ", ".join(name.strip()[:_SHOWN_LENGTH] for name in found[:_SHOWN_NAMES])
    parts = [f"{_columns(missing)} missing; found: {shown}"]
    parts += [hint for name in missing if (hint := _hint(name, found))]
    return ". ".join(parts)


def _columns(names: Sequence[str]) -> str:
    verb = "is" if len(names) == 1 else "are"
    return f"the column{'s' if len(names) > 1 else ''} {', '.join(names)} {verb}"


def _hint(wanted: str, found: Sequence[str]) -> str | None:
    folded = {fold(name): name.strip() for name in found}
    near = [name for name in _ALIASES.get(wanted, ()) if name in folded]
    near += difflib.get_close_matches(wanted, folded, n=1)
    return f"Rename {folded[near[0]]} to {wanted}" if near else None
