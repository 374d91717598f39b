"""Where a family's hyperparameters may be looked for: small values that name no tuner.

A search space maps the path of a config field (`factors`, `weighting.half_life_days`) to one of the ranges below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from common.schemas.data import Quantity

Value = None | bool | int | float | str


@dataclass(frozen=True)
class Float:
    """A number from `low` to `high`, both included; `log`: each power of ten is as likely as the next."""

    low: float
    high: float
    log: bool = False

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high


@dataclass(frozen=True)
class Int:
    low: int
    high: int
    log: bool = False

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int) and self.low <= value <= self.high


@dataclass(frozen=True)
class Categorical:
    options: tuple[Value, ...]

    def __contains__(self, value: object) -> bool:
        return value in self.options


@dataclass(frozen=True)
class Width:
    """The width of the vectors, ascending: it costs memory and time in serving, so a setting bounds it."""

    options: tuple[int, ...]

    def __contains__(self, value: object) -> bool:
        return value in self.options


Range = Float | Int | Categorical | Width
Space = Mapping[str, Range]

WEIGHTING: Final[Space] = {
    "weighting.view": Float(0.02, 0.6, log=True),
    "weighting.cart": Float(0.1, 1.0),
    "weighting.half_life_days": Categorical((None, 14.0, 28.0, 90.0, 365.0)),
    "weighting.quantity": Categorical(tuple(Quantity)),
}
"""How much an event says: shared by the families that look at weights."""


def bounded(space: Space, max_width: int) -> Space:
    """The space with no vectors wider than `max_width`, or only the narrowest where all are."""
    return {path: _bounded(range_, max_width) for path, range_ in space.items()}


def _bounded(range_: Range, max_width: int) -> Range:
    if not isinstance(range_, Width):
        return range_
    return Width(tuple(width for width in range_.options if width <= max_width) or range_.options[:1])


def within(params: Mapping[str, Any], space: Space) -> dict[str, Value]:
    """The values of nested `params` at the space's paths; one that a range does not hold is left out.

    A width over the bound becomes the widest that is allowed.
    """
    flat: dict[str, Value] = {}
    for path, range_ in space.items():
        value = _at(params, path)
        if isinstance(range_, Width) and isinstance(value, int) and value > range_.options[-1]:
            value = range_.options[-1]
        if value in range_:
            flat[path] = value
    return flat


def nested(flat: Mapping[str, Value]) -> dict[str, Any]:
    """Values by path as a config takes them: `weighting.view` becomes {"weighting": {"view": …}}."""
    params: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, name = path.split(".")
        place = params
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = value
    return params


_ABSENT: Final = object()


def _at(params: Mapping[str, Any], path: str) -> Any:
    place: Any = params
    for name in path.split("."):
        place = place.get(name, _ABSENT) if isinstance(place, Mapping) else _ABSENT
    return place
