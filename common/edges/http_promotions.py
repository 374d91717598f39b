"""The text form of promotions in a request, such as `brand:Acme:0.5`."""

from __future__ import annotations

from typing import Final

from common.serving.promotions import Promotion

ATTRIBUTE_PREFIX: Final = "attr."
MAX_PROMOTIONS: Final = 8
MAX_WEIGHT: Final = 10.0
_FORMS: Final = f"`category:<name>:<weight>`, `brand:<name>:<weight>` or `{ATTRIBUTE_PREFIX}<column>:<value>:<weight>`"
PROMOTION_DESCRIPTION: Final = (
    f"Items that rank higher in the model's ranking: {_FORMS}. At weight 1 the score of such an item grows by the "
    "difference between the first and the last score of the answer."
)


def promotion_of(rule: str) -> Promotion:
    """Parses a promotion; its value may hold colons. Raises `ValueError`, which says what is wrong."""
    field, _, rest = rule.partition(":")
    value, _, weight = rest.rpartition(":")
    column = field.removeprefix(ATTRIBUTE_PREFIX)
    if not value or not column or (column == field and field not in ("category", "brand")):
        raise ValueError(f"is not {_FORMS}")
    try:
        number = float(weight)
    except ValueError:
        number = 0.0
    if not 0 < number <= MAX_WEIGHT:
        raise ValueError(f"has the weight {weight!r}, which must be a number above 0 and at most {MAX_WEIGHT:g}")
    return Promotion(column, value, number)


def checked(rule: str) -> str:
    """Returns `rule`, if it is a promotion. Raises as `promotion_of` does."""
    promotion_of(rule)
    return rule
