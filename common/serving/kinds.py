"""The kinds of lists that a page asks for, and what each of them may show.

A place on a page has a job. Each kind declares what it needs, the lists that it is filled from, in this order, what
becomes of items that the person has bought, and whether new items have a place of their own in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from common.config import Purchased
from common.schemas.kind import Kind


class Need(StrEnum):
    """What a kind is about. Without an item the question is refused; without another of these the list is what the kind
    declares."""

    NOTHING = "nothing"
    ITEM = "item_id"
    BASKET = "a basket"
    VIEWED = "what was viewed"
    VISIT = "a visit"
    PERSON = "a person"


class Listing(StrEnum):
    """A list that an answer is filled from: a method of `ranking.Ladder` or of `kind_ranking`'s."""

    LINKED = "linked"
    OWN = "own"
    BOUGHT_TOGETHER = "bought_together"
    COMPLEMENTS = "complements"
    MIXED = "mixed"
    NEIGHBOURS = "neighbours"
    RELATED = "related"
    DUE = "due"
    VIEWED = "viewed"
    ON_SALE = "on_sale"
    POPULAR_IN_CATEGORY = "popular_in_category"
    POPULAR = "popular"
    NEWEST = "newest"


class NewItems(StrEnum):
    """Whether items that few people know yet have a place of their own: never, always, or in a category's list."""

    NEVER = "never"
    ALWAYS = "always"
    IN_CATEGORY = "in a category"


GENERAL: Final = (Listing.POPULAR_IN_CATEGORY, Listing.POPULAR, Listing.NEWEST)
"""What fills a list where it belongs under the list's heading."""

LADDER: Final = (Listing.LINKED, Listing.OWN, Listing.BOUGHT_TOGETHER, Listing.RELATED, *GENERAL)
"""From the most personal list to the most general one."""


@dataclass(frozen=True)
class Declaration:
    """What a kind may show.

    needs: what it is about
    lists: what it is filled from, in this order
    otherwise: the same where what it is about is not there
    purchased: what becomes of items that the person has bought, unless the request says otherwise
    shop_decides: whether the shop's setting is asked first, where it is not `auto`
    new_items: whether new items have places of their own
    contenders: the lists of which a training may put one in front of the others, by what people did
    fresh_order: whether what a fresh order leads to has places of its own
    """

    needs: Need
    lists: tuple[Listing, ...]
    purchased: Purchased = Purchased.SHOW
    otherwise: tuple[Listing, ...] = ()
    shop_decides: bool = False
    new_items: NewItems = NewItems.NEVER
    contenders: tuple[Listing, ...] = ()
    fresh_order: bool = False

    def filled_from(self, first: str | None = None) -> tuple[Listing, ...]:
        """The lists, with the contender `first` in front; as declared where it is none."""
        chosen = tuple(listing for listing in self.contenders if listing == first)
        return (*chosen, *(listing for listing in self.lists if listing not in chosen))

    @property
    def is_filled(self) -> bool:
        """Whether what is popular belongs under its heading."""
        return Listing.POPULAR in self.lists

    def treatment(self, asked: Purchased | None, of_shop: Purchased) -> Purchased:
        """What becomes of items that the person has bought, with what the request asks and what the shop has set."""
        by_shop = of_shop if self.shop_decides and of_shop is not Purchased.AUTO else None
        return asked or by_shop or self.purchased


DECLARATIONS: Final[Mapping[Kind, Declaration]] = MappingProxyType(
    {
        Kind.SIMILAR: Declaration(Need.ITEM, (Listing.RELATED, *GENERAL)),
        Kind.BOUGHT_TOGETHER: Declaration(
            Need.ITEM,
            (Listing.BOUGHT_TOGETHER, Listing.RELATED, *GENERAL),
            contenders=(Listing.BOUGHT_TOGETHER, Listing.LINKED, Listing.MIXED),
        ),
        Kind.BASKET: Declaration(
            Need.BASKET,
            (Listing.LINKED, Listing.COMPLEMENTS, Listing.OWN),
            otherwise=GENERAL,
            contenders=(Listing.LINKED, Listing.COMPLEMENTS, Listing.OWN, Listing.MIXED),
        ),
        Kind.FOR_YOU: Declaration(
            Need.PERSON,
            LADDER,
            Purchased.HIDE,
            shop_decides=True,
            new_items=NewItems.ALWAYS,
            fresh_order=True,
        ),
        Kind.BUY_AGAIN: Declaration(Need.PERSON, (Listing.DUE,)),
        Kind.BECAUSE_YOU_BOUGHT: Declaration(
            Need.PERSON,
            (Listing.COMPLEMENTS, Listing.NEIGHBOURS, Listing.RELATED),
            Purchased.HIDE,
            contenders=(Listing.COMPLEMENTS, Listing.LINKED, Listing.NEIGHBOURS, Listing.MIXED),
        ),
        Kind.BECAUSE_YOU_VIEWED: Declaration(
            Need.VIEWED, (Listing.LINKED, Listing.RELATED), contenders=(Listing.LINKED, Listing.RELATED, Listing.OWN)
        ),
        Kind.SESSION: Declaration(
            Need.VISIT,
            LADDER,
            Purchased.AUTO,
            shop_decides=True,
            new_items=NewItems.ALWAYS,
            contenders=(Listing.LINKED, Listing.OWN),
        ),
        Kind.RECENTLY_VIEWED: Declaration(Need.VIEWED, (Listing.VIEWED,)),
        Kind.POPULAR: Declaration(Need.NOTHING, GENERAL, new_items=NewItems.IN_CATEGORY),
        Kind.NEWEST: Declaration(Need.NOTHING, (Listing.NEWEST,)),
        Kind.ON_SALE: Declaration(Need.NOTHING, (Listing.ON_SALE,)),
    }
)
