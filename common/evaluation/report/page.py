"""The report as one HTML page without outside resources.

The page has no script, and its own policy forbids every resource but the style sheet in it. All texts are escaped.
"""

from __future__ import annotations

import base64
import hashlib
from itertools import accumulate
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from common.evaluation.cases import Relevance
from common.evaluation.judge import FEW_ITEMS, PRIMARY
from common.evaluation.report import words
from common.evaluation.report.charts import Axis, BarChart, LineChart, bar_chart, line_chart
from common.evaluation.report.document import Report, Row
from common.evaluation.similar import INSTEAD_DAYS

_HERE: Final = Path(__file__).parent
_WHISKERS: Final = (4.0, 196.0)


def render(report: Report) -> str:
    """The whole page."""
    style = (_HERE / "style.css").read_text(encoding="utf-8")
    template = _environment().get_template("page.html")
    return template.render(
        report=report,
        champion=report.table[0] if report.table else None,
        judged=[row for row in report.table if row.metrics],
        left_out=[row for row in report.table if row.left_out],
        relevances=tuple(Relevance),
        ranked={relevance: _ranked(report.table, relevance) for relevance in Relevance},
        PRIMARY=PRIMARY,
        FEW_ITEMS=FEW_ITEMS,
        INSTEAD_DAYS=INSTEAD_DAYS,
        words=words,
        style=Markup(style),
        policy=policy_for(style),
        months=_months(report),
        tenths=_tenths(report),
        scales={relevance: _scale(report.table, relevance) for relevance in Relevance},
        search=_search(report),
        learning=_learning(report),
    )


def policy_for(style: str) -> str:
    """The Content-Security-Policy of a page that contains this one style sheet."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(words.FILTERS)
    return environment


def _months(report: Report) -> BarChart:
    counts = report.data.by_month
    return bar_chart([words.month(name) for name in counts], [("", list(counts.values()))], words.count)


def _tenths(report: Report) -> BarChart | None:
    popularity = report.popularity
    if popularity is None:
        return None
    series = [("of purchases", popularity.purchases), ("of recommendations", popularity.recommendations)]
    in_percent = [(name, [100 * share for share in shares]) for name, shares in series]
    return bar_chart([str(tenth) for tenth in range(1, 11)], in_percent, lambda value: f"{value:.1f} %")


def _ranked(table: tuple[Row, ...], relevance: Relevance) -> list[Row]:
    """The rows with figures for this relevance, best first."""
    return sorted(
        (row for row in table if relevance in row.ndcg), key=lambda row: row.ndcg[relevance].mean, reverse=True
    )


def _scale(table: tuple[Row, ...], relevance: Relevance) -> Axis:
    """The axis from 0 to the highest end of all intervals."""
    highest = max((row.ndcg[relevance].high for row in table if relevance in row.ndcg), default=1.0)
    return Axis(0.0, highest or 1.0, *_WHISKERS)


def _search(report: Report) -> dict[str, LineChart]:
    """The best score so far over trials and over seconds; empty before two trials have finished."""
    ended = [
        (number, seconds, attempt.score)
        for number, (attempt, seconds) in enumerate(
            zip(report.attempts, accumulate(attempt.seconds for attempt in report.attempts), strict=True), start=1
        )
        if attempt.score is not None
    ]
    if len(ended) < 2:
        return {}
    best = list(accumulate((score for _, _, score in ended), max))
    over: dict[str, list[tuple[float, float]]] = {
        "trials": [(number, score) for (number, _, _), score in zip(ended, best, strict=True)],
        "seconds": [(seconds, score) for (_, seconds, _), score in zip(ended, best, strict=True)],
    }
    return {name: line_chart([("best so far", points)], stepped=True) for name, points in over.items()}


def _learning(report: Report) -> LineChart | None:
    return line_chart([(curve.name, curve.points) for curve in report.curves]) if report.curves else None
