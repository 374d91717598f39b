"""One line of the benchmark's table."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import asdict, dataclass

_COMPARE: dict[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True)
class Row:
    """`value` and `reference` are what was measured, with units; `goal` a comparison of the ratio, such as `<= 2.0`."""

    row: str
    value: str
    reference: str
    ratio: float
    goal: str

    @property
    def holds(self) -> bool:
        comparison, limit = self.goal.split()
        return _COMPARE[comparison](self.ratio, float(limit))

    def as_dict(self) -> dict[str, object]:
        return {**asdict(self), "holds": self.holds}
