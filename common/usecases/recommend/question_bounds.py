"""The bounds on a question as a whole. Each list has a bound of its own, but lists multiply each other's cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from common.errors import BadRequest
from common.serving.filters import Filter
from common.serving.promotions import Promotion, promoted

MAX_COLUMNS: Final = 8
"""The shop's own columns that a filter may look at."""

MAX_FILTER_VALUES: Final = 200
"""Values of all lists of a filter together: categories, brands, and the values of the shop's own columns."""

MAX_LOOKS: Final = 10_000_000
"""Items of the catalogue that a question may look at, times the shop's own columns plus one, summed over its filter and
the narrower filter of each promotion. A million takes up to 0.16 s of a core."""


def check_filter(wanted: Filter) -> None:
    """Raises `BadRequest`, which says the bound, for a filter that is too large whatever the catalogue's size is."""
    n_values = len(wanted.categories) + len(wanted.brands) + len(wanted.attributes)
    if n_values > MAX_FILTER_VALUES:
        raise BadRequest(
            f"the filter has {n_values} values of category, brand and attributes together; at most "
            f"{MAX_FILTER_VALUES} are accepted"
        )
    if len(wanted.columns) > MAX_COLUMNS:
        raise BadRequest(
            f"the filter looks at {len(wanted.columns)} attributes of the catalogue; at most {MAX_COLUMNS} are accepted"
        )


def check_cost(wanted: Filter, promotions: Sequence[Promotion], n_items: int) -> None:
    """Raises `BadRequest`, which says the bound, for a question that costs too much in a catalogue of `n_items`.

    A filter of categories, brands, prices and availability is allowed in every catalogue.
    """
    if not promotions and not wanted.attributes:
        return
    filters = [wanted, *(those for those, _ in promoted(wanted, promotions))]
    looks = n_items * sum(1 + len(those.columns) for those in filters)
    if looks > MAX_LOOKS:
        raise BadRequest(
            f"the filter and the promotions look {looks:,} times at an item of the catalogue; at most {MAX_LOOKS:,} "
            "times are accepted: ask for fewer attributes or promotions"
        )
