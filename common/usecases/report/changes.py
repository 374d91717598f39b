"""What is different from the run before."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from common.evaluation.cases import Question
from common.evaluation.judge import PRIMARY
from common.evaluation.report import words
from common.evaluation.report.document import Change, DataProfile

Json = Mapping[str, Any]
Write = Callable[[float], str]

NOTHING = "–"


def changes_since(before: Json, now: Json) -> Iterator[Change]:
    """Lines about the model, its figures and the data; a figure that one of the runs has not is a dash."""
    yield Change(what="published model", before=before["family"] or "none", now=now["family"] or "none")
    for question in Question:
        name = f"NDCG@10, {words.QUESTIONS[question].lower()}"
        yield _figure(name, *(_metric(run, question, PRIMARY) for run in (before, now)))
        name = f"found something, {words.QUESTIONS[question].lower()}"
        yield _share(name, *(_metric(run, question, "hit_rate@10") for run in (before, now)))
    earlier, later = (DataProfile.model_validate(run["data"]) for run in (before, now))
    for name in ("people", "items", "catalogue", "events"):
        old, new = getattr(earlier, name), getattr(later, name)
        what = {"items": "products with events", "catalogue": "products in the catalogue"}.get(name, name)
        yield Change(what=what, before=words.count(old), now=words.count(new), difference=f"{new - old:+,}")
    yield _share("purchases that repeat one", earlier.repeat_share, later.repeat_share)
    yield Change(what="newest event", before=words.day(earlier.last_day), now=words.day(later.last_day))


def _metric(run: Json, question: Question, name: str) -> float | None:
    """Of what was published, or would have been."""
    found: float | None = run.get("model", {}).get(question, {}).get(name)
    return found


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
