"""Search spaces of hyperparameters, as plain values that do not depend on a tuner.

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
    """A number from `low` to `high`, both included; with `log` every power of ten is equally likely."""

    low: float
    high: float
    log: bool = False

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high


@dataclass(frozen=True)
class Int:
    """A whole number from `low` to `high`, both included; with `log` every power of ten is equally likely."""

    low: int
    high: int
    log: bool = False

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int) and self.low <= value <= self.high


@dataclass(frozen=True)
class Categorical:
    """One of the options."""

    options: tuple[Value, ...]

    def __contains__(self, value: object) -> bool:
        return value in self.options


@dataclass(frozen=True)
class Width:
    """The width of the vectors, ascending. A setting bounds it, because width costs memory and time in serving."""

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
"""The ranges of the event weights, for the families that use weights."""


def bounded(space: Space, max_width: int) -> Space:
    """The space without vectors wider than `max_width`, or with only the narrowest where all are wider."""
    return {path: _bounded(range_, max_width) for path, range_ in space.items()}


def _bounded(range_: Range, max_width: int) -> Range:
    if not isinstance(range_, Width):
        return range_
    return Width(tuple(width for width in range_.options if width <= max_width) or range_.options[:1])


def within(params: Mapping[str, Any], space: Space) -> dict[str, Value]:
    """The values of nested `params` at the space's paths; a value outside its range is left out.

    A width above the bound becomes the widest that is allowed.
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
    """The values as a config takes them: `weighting.view` becomes {"weighting": {"view": …}}."""
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
