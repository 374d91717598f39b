"""The geometry of charts for the macros of `charts.html`, in units of the view box."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 340.0
HEIGHT: Final = 180.0
"""The view box has a phone's width, so that texts of 11 units are readable there without scaling."""

LEFT, RIGHT, TOP, BOTTOM = 52.0, 16.0, 10.0, 24.0
TICKS: Final = 4
"""Most distances between ticks on an axis."""
FILLED: Final = 0.8
"""Share of a place's width that its bars take."""
LABEL_WIDTH: Final = 40.0
"""Width that a label under a bar needs."""

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Tick:
    """A mark with a text on an axis, `at` units from its zero."""

    at: float
    text: str


@dataclass(frozen=True)
class Axis:
    """A linear scale from values (low, high) to units (start, end)."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[Tick]:
        """The marks at round values."""
        return [Tick(self(value), text) for value, text in round_values(self.low, self.high)]


@dataclass(frozen=True)
class Line:
    """A line of a chart: its SVG path, and its points in units."""

    name: str
    path: str
    marks: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class LineChart:
    """Lines on common axes."""

    x: Axis
    y: Axis
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Bar:
    """A bar. `label` is the text under it, empty where there is no room; `text` is the value in words."""

    x: float
    y: float
    width: float
    height: float
    label: str
    text: str

    @property
    def middle(self) -> float:
        return round(self.x + self.width / 2, 1)


@dataclass(frozen=True)
class BarChart:
    """Series of bars that are side by side at each place."""

    y: Axis
    names: tuple[str, ...]
    series: tuple[tuple[Bar, ...], ...]


def line_chart(series: Sequence[tuple[str, Points]], *, stepped: bool = False) -> LineChart:
    """A chart of series with at least one point in all. With `stepped` a value stays until the next point."""
    points = [point for _, of_series in series for point in of_series]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    pad = 0.08 * (max(ys) - min(ys)) or 0.05 * abs(max(ys)) or 1.0
    x = Axis(min(0.0, *xs), max(xs), LEFT, WIDTH - RIGHT)
    y = Axis(max(0.0, min(ys) - pad), max(ys) + pad, HEIGHT - BOTTOM, TOP)
    lines = []
    for name, of_series in series:
        marks = tuple((x(a), y(b)) for a, b in of_series)
        lines.append(Line(name, _path(marks, stepped), marks))
    return LineChart(x, y, tuple(lines))


def _path(marks: Sequence[tuple[float, float]], stepped: bool) -> str:
    (first_x, first_y), *rest = marks
    parts = [f"M{first_x} {first_y}"]
    for x, y in rest:
        parts.append(f"H{x}V{y}" if stepped else f"L{x} {y}")
    return "".join(parts)


def bar_chart(
    labels: Sequence[str], series: Sequence[tuple[str, Sequence[float]]], say: Callable[[float], str]
) -> BarChart:
    """A chart with one bar of each series for each label; `say` returns a value as text."""
    top = max((value for _, values in series for value in values), default=0.0) or 1.0
    y = Axis(0, _next_tick(top), HEIGHT - BOTTOM, TOP)
    place = (WIDTH - LEFT - RIGHT) / max(1, len(labels))
    width = place * FILLED / len(series)
    every = math.ceil(len(labels) * LABEL_WIDTH / (WIDTH - LEFT - RIGHT))

    def bar(number: int, position: int, name: str, value: float) -> Bar:
        return Bar(
            x=round(LEFT + place * (position + (1 - FILLED) / 2) + width * number, 1),
            y=y(value),
            width=round(width, 1),
            height=round(HEIGHT - BOTTOM - y(value), 1),
            label="" if position % every else labels[position],
            text=f"{labels[position]}: {say(value)}" + (f" {name}" if name else ""),
        )

    return BarChart(
        y=y,
        names=tuple(name for name, _ in series),
        series=tuple(
            tuple(bar(number, position, name, value) for position, value in enumerate(values))
            for number, (name, values) in enumerate(series)
        ),
    )


def _next_tick(value: float) -> float:
    """The first multiple of the distance between ticks that is not below the value."""
    step = round_values(0, value)[1][0]
    return math.ceil(value / step - 1e-9) * step


def round_values(low: float, high: float) -> list[tuple[float, str]]:
    """At most `TICKS` + 1 values between `low` and `high`, multiples of 1, 2 or 5 times a power of ten, with their
    texts."""
    if high <= low:
        return [(low, f"{low:g}")]
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    digits = max(0, -math.floor(math.log10(step)))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [(number * step, f"{number * step:,.{digits}f}") for number in range(first, last + 1)]
