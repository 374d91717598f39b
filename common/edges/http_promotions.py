"""How a request names what is to rank higher: `brand:Acme:0.5`."""

from __future__ import annotations

from typing import Final

from common.serving.promotions import Promotion

ATTRIBUTE_PREFIX: Final = "attr."
MAX_PROMOTIONS: Final = 8
MAX_WEIGHT: Final = 10.0
_FORMS: Final = f"`category:<name>:<weight>`, `brand:<name>:<weight>` or `{ATTRIBUTE_PREFIX}<column>:<value>:<weight>`"
PROMOTION_DESCRIPTION: Final = (
    f"What is to rank higher among what the model ranks: {_FORMS}. At weight 1 an item rises by the distance between "
    "the scores of the first and the last of the answer."
)


def promotion_of(rule: str) -> Promotion:
    """A value may hold colons. Raises `ValueError`, saying what is wrong, for what is none of the forms."""
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
    """The rule itself. Raises as `promotion_of`."""
    promotion_of(rule)
    return rule
