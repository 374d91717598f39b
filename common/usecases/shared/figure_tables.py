"""The figures of a training as tables for a terminal, a table for each kind that it has judged.

They are those of the report, read from the same file: nothing is judged anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from common.errors import CorruptError
from common.schemas.kind import Kind

PRIMARY: Final = "ndcg@10"

JUDGED: Final = (
    Kind.SIMILAR,
    Kind.BUY_AGAIN,
    Kind.BASKET,
    Kind.BOUGHT_TOGETHER,
    Kind.SESSION,
    Kind.BECAUSE_YOU_VIEWED,
    Kind.BECAUSE_YOU_BOUGHT,
)
"""The kinds with a table of their own; `for-you` and `popular` are rows of the models."""

RELEVANCES: Final = {
    "all_purchases": "models, all purchases",
    "new_purchases": "models, purchases new to the person (for-you, popular)",
}
"""The titles by `Relevance`, whose module needs more than the command line has."""

Json = Mapping[str, Any]


class Span(NamedTuple):
    """A mean and its interval."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, spread: Json) -> Span:
        return cls(*(float(spread[name]) for name in cls._fields))


class FigureLine(NamedTuple):
    """A method: NDCG@10, and by how much that of the first line is better, None for the first."""

    name: str
    ndcg: Span
    lead: Span | None


class FigureTable(NamedTuple):
    """asked: what the figures are of, such as 1,234 questions."""

    title: str
    asked: str
    lines: tuple[FigureLine, ...]

    def as_dict(self) -> dict[str, Any]:
        lines = [
            {"name": line.name, PRIMARY: line.ndcg._asdict(), "lead": line.lead and line.lead._asdict()}
            for line in self.lines
        ]
        return {"title": self.title, "asked": self.asked, "lines": lines}


def tables_of(figures: Json) -> list[FigureTable]:
    """The tables of `metrics.json`, also of a release that judged fewer kinds. Raises `CorruptError` where it is
    damaged."""
    try:
        return [table for table in _tables(figures) if table.lines]
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise CorruptError(f"the figures of the training cannot be read: {error!r}") from None


def not_judged(tables: list[FigureTable]) -> list[str]:
    """The kinds without a table: the shop's last weeks ask nothing of them."""
    found = {table.title.partition(",")[0] for table in tables}
    return [kind.value for kind in JUDGED if kind not in found]


def _tables(figures: Json) -> Iterator[FigureTable]:
    for relevance, title in RELEVANCES.items():
        yield _of_models(figures, relevance, title)
    similar = figures.get("similar")
    if similar:
        asked = f"{round(similar['table'][0]['metrics']['questions']):,} questions, {similar['what']}"
        yield FigureTable(Kind.SIMILAR, asked, _lines(similar["table"]))
    due = figures.get("due") or {"table": ()}
    for days in due["table"][0]["horizons"] if due["table"] else ():
        of_days = [{"name": row["name"], **row["horizons"][days]} for row in due["table"]]
        yield FigureTable(f"{Kind.BUY_AGAIN}, {int(days)} days", f"{of_days[0]['people']:,} people", _lines(of_days))
    for kind, found in figures.get("kinds", {}).items():
        asked = f"{found['questions']:,} questions of {found['asked']:,}; first stands {found['first']}"
        yield FigureTable(str(kind), asked, _lines(found["table"]))


def _of_models(figures: Json, relevance: str, title: str) -> FigureTable:
    rows = [
        {"name": f"{row['name']} ({row['kind']})", **row["intervals"][relevance]}
        for row in figures.get("table", ())
        if row.get("intervals") and row["intervals"].get(relevance)
    ]
    people = figures["window"]["people"] if rows else 0
    return FigureTable(title, f"{people:,} people", _lines(rows))


def _lines(rows: list[dict[str, Any]]) -> tuple[FigureLine, ...]:
    return tuple(
        FigureLine(str(row["name"]), Span.of(row[PRIMARY]), Span.of(row["lead"]) if place else None)
        for place, row in enumerate(rows)
    )
