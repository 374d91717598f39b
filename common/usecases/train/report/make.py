"""The report of a run, made from its figures in `metrics.json`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from common.evaluation.cases import Relevance
from common.evaluation.judge import PRIMARY
from common.evaluation.kinds import OTHER_CATEGORIES, SAME_CATEGORY
from common.evaluation.report import words
from common.evaluation.report.document import (
    Attempt,
    Change,
    Curve,
    DataProfile,
    DueFigures,
    DueRanking,
    DueSection,
    KindRow,
    KindSection,
    Popularity,
    RepeatsSection,
    Report,
    Row,
    SamplePerson,
    SimilarRow,
    SimilarSection,
    Window,
)

Json = Mapping[str, Any]

MAX_CURVES: Final = 4


def make_report(
    figures: Json,
    previous: Json | None,
    popularity: Popularity | None = None,
    people: Sequence[SamplePerson] = (),
) -> Report:
    """The report; `previous` are the figures of the run before, if there was one."""
    return Report(
        shop=figures["shop"],
        version=figures["version"],
        made_at=datetime.fromisoformat(figures["made_at"]),
        family=figures["family"],
        params=figures["params"],
        refusal=figures["refusal"],
        unjudged=figures.get("reason"),
        decided_by=figures.get("question"),
        data=DataProfile.model_validate(figures["data"]),
        window=_window(figures["window"]) if "window" in figures else None,
        table=tuple(_row(row) for row in figures.get("table", ())),
        repeats=_repeats(figures.get("repeats")),
        trending=bool(figures.get("trend", {}).get("weight")),
        similar=_similar(figures.get("similar")),
        due=_due(figures.get("due")),
        kinds=tuple(_kind(kind, of) for kind, of in figures.get("kinds", {}).items()),
        attempts=tuple(_attempts(figures)),
        curves=_curves(figures),
        popularity=popularity,
        previous=previous["version"] if previous else None,
        changes=tuple(changes_since(previous, figures)) if previous else (),
        people=tuple(people),
        notices=figures["notices"],
    )


def _window(window: Json) -> Window:
    first, last = (datetime.fromisoformat(window[name]).date() for name in ("from", "to"))
    return Window(first_day=first, last_day=last, people=window["people"], newcomers=window["newcomers"])


def _row(row: Json) -> Row:
    intervals = {relevance: spreads for relevance, spreads in (row["intervals"] or {}).items() if spreads}
    return Row(
        kind=row["kind"],
        name=row["name"],
        origin=row["origin"],
        purchased=row.get("purchased"),
        left_out=row["left_out"],
        ndcg={relevance: spreads[PRIMARY] for relevance, spreads in intervals.items()},
        lead={relevance: spreads["lead"] for relevance, spreads in intervals.items()},
        metrics=row["metrics"] or {},
        cold=row["cold"] or {},
        fit_s=row["fit_s"],
        peak_bytes=row["peak_bytes"],
    )


def _repeats(figures: Json | None) -> RepeatsSection | None:
    return RepeatsSection(**{name: figures[name] for name in RepeatsSection.model_fields}) if figures else None


def _similar(figures: Json | None) -> SimilarSection | None:
    if not figures:
        return None
    asked = figures["table"][0]["metrics"]
    rows = [
        SimilarRow(
            name=row["name"],
            ndcg=row[PRIMARY],
            lead=row["lead"],
            hit_rate=row["metrics"]["hit_rate@5"],
            same_category=row["same_category"],
        )
        for row in figures["table"]
    ]
    return SimilarSection(
        what=figures["what"],
        taken=figures["taken"],
        people=round(asked["people"]),
        questions=round(asked["questions"]),
        table=tuple(rows),
    )


def _due(figures: Json | None) -> DueSection | None:
    if not figures:
        return None
    rankings = [
        DueRanking(name=row["name"], horizons={int(days): _due_figures(of) for days, of in row["horizons"].items()})
        for row in figures["table"]
    ]
    return DueSection(taken=figures["taken"], settings=figures["settings"], table=tuple(rankings))


def _due_figures(of: Json) -> DueFigures:
    return DueFigures(people=of["people"], ndcg=of[PRIMARY], recall=of["recall@10"], lead=of["lead"])


def _kind(kind: str, figures: Json) -> KindSection:
    rows = [
        KindRow(
            name=row["name"],
            ndcg=row[PRIMARY],
            lead=row["lead"],
            recall=row["metrics"]["recall@10"],
            other=row["metrics"].get(OTHER_CATEGORIES),
            same=row["metrics"].get(SAME_CATEGORY),
        )
        for row in figures["table"]
    ]
    named = {name: figures[name] for name in ("first", "usual", "asked", "questions")}
    return KindSection(kind=kind, table=tuple(rows), **named)


def _attempts(figures: Json) -> Iterator[Attempt]:
    """The candidates in their order, popular left out, then the trials of the search as they began."""
    for trial in _first_trials(figures):
        score = trial["metrics"][figures["question"]].get(PRIMARY)
        yield Attempt(family=trial["family"], seconds=trial["fit_s"], score=score)
    for record in _searched(figures):
        yield Attempt(family=record["family"], seconds=record["seconds"], score=record["score"])


def _first_trials(figures: Json) -> list[Json]:
    return [trial for trial in figures.get("trials", ())[:-1] if trial["origin"] != "tuned"]


def _searched(figures: Json) -> list[Json]:
    return sorted(figures.get("search", ()), key=lambda record: record["began_s"] or 0.0)


def _curves(figures: Json) -> tuple[Curve, ...]:
    """The curves with the highest ends."""
    named = [(f"{trial['family']} ({trial['origin']})", trial["curve"]) for trial in _first_trials(figures)]
    named += [(f"{record['family']}, trial {record['number']}", record["curve"]) for record in _searched(figures)]
    curves = [
        Curve(name=name, points=tuple(sorted((int(step), score) for step, score in curve.items())))
        for name, curve in named
        if len(curve) > 1
    ]
    return tuple(sorted(curves, key=lambda curve: -curve.points[-1][1])[:MAX_CURVES])


Write = Callable[[float], str]

NOTHING = "–"


def changes_since(before: Json, now: Json) -> Iterator[Change]:
    """The differences about the model, its figures and the data. A figure that one of the runs does not have is a
    dash."""
    yield Change(what="published model", before=before["family"] or "none", now=now["family"] or "none")
    for relevance in Relevance:
        name = f"NDCG@10, {words.RELEVANCES[relevance].lower()}"
        yield _figure(name, *(_metric(run, relevance, PRIMARY) for run in (before, now)))
        name = f"found something, {words.RELEVANCES[relevance].lower()}"
        yield _share(name, *(_metric(run, relevance, "hit_rate@10") for run in (before, now)))
    earlier, later = (DataProfile.model_validate(run["data"]) for run in (before, now))
    for name in ("people", "items", "catalogue", "events"):
        old, new = getattr(earlier, name), getattr(later, name)
        what = {"items": "products with events", "catalogue": "products in the catalogue"}.get(name, name)
        yield Change(what=what, before=words.count(old), now=words.count(new), difference=f"{new - old:+,}")
    yield _share("purchases that repeat one", earlier.repeat_share, later.repeat_share)
    yield Change(what="newest event", before=words.day(earlier.last_day), now=words.day(later.last_day))


def _metric(run: Json, relevance: Relevance, name: str) -> float | None:
    """A figure of the published model, or of the one that was refused."""
    value: float | None = run.get("model", {}).get(relevance, {}).get(name)
    return value


def _figure(what: str, before: float | None, now: float | None) -> Change:
    return _change(what, before, now, words.score, words.signed)


def _share(what: str, before: float | None, now: float | None) -> Change:
    return _change(what, before, now, words.percent, words.points)


def _change(what: str, before: float | None, now: float | None, write: Write, write_difference: Write) -> Change:
    return Change(
        what=what,
        before=NOTHING if before is None else write(before),
        now=NOTHING if now is None else write(now),
        difference="" if before is None or now is None else write_difference(now - before),
    )
