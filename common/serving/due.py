"""What a person is likely to buy again: a score for each item of the history."""

from __future__ import annotations

from common.schemas.data import F32
from common.serving.people import Person


def due_scores(person: Person) -> F32:
    """(h,) float32: the score of each item of the person's history, the most due first: bought often, and lately."""
    return person.repeats
