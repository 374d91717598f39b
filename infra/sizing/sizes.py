"""The measured sizes of shops, from a small one to the largest that one machine is meant for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    name: str
    items: int
    people: int
    events: int

    def __str__(self) -> str:
        return f"{self.name}: {self.items:,} items, {self.people:,} people, {self.events:,} events"


SIZES = (
    Size("small", 1_000, 1_000, 20_000),
    Size("middle", 10_000, 10_000, 200_000),
    Size("large", 100_000, 100_000, 2_000_000),
    Size("largest", 1_000_000, 1_000_000, 20_000_000),
)
