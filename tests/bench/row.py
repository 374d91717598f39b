"""One line of the benchmark's table."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import asdict, dataclass

_COMPARE: dict[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True)
class Row:
    """`value` and `reference` are what was measured, with units.

    `goal` is a comparison: of `ratio`, such as `<= 2.0`; or, where nothing is measured beside and `ratio` is None, of
    `measured` in the unit that follows the number, such as `<= 160 MB`.
    """

    row: str
    value: str
    reference: str
    ratio: float | None
    goal: str
    measured: float | None = None

    @classmethod
    def bound(cls, row: str, value: str, measured: float, goal: str) -> Row:
        """A row that is held against a number that stands in its goal."""
        return cls(row, value, "–", None, goal, measured)

    @property
    def holds(self) -> bool:
        comparison, limit = self.goal.split()[:2]
        compared = self.measured if self.ratio is None else self.ratio
        assert compared is not None, f"{self.row} has neither a ratio nor a measured number"
        return _COMPARE[comparison](compared, float(limit))

    def as_dict(self) -> dict[str, object]:
        """What build/bench.json holds; the measured number of a bound is in its value."""
        fields = asdict(self)
        del fields["measured"]
        return {**fields, "holds": self.holds}
