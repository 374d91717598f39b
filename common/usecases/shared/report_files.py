"""The files of a training's figures and report: `models/<version>/metrics.json` and `report.html`."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from common import logs
from common.errors import CorruptError, NotFound
from common.store.segments.tombstones import Tombstones
from common.usecases.shared.context import Context

log = logging.getLogger(__name__)

METRICS_FILE: Final = "metrics.json"
REPORT_FILE: Final = "report.html"


class Page(NamedTuple):
    """The report of one training. `html` is UTF-8."""

    version: str
    html: bytes


class RunFigures(NamedTuple):
    """The figures of one training, as in `metrics.json`."""

    version: str
    figures: dict[str, Any]


def fetch_figures(ctx: Context, version: str | None = None) -> RunFigures:
    """The figures of `version`, or the newest ones. Raises `NotFound` if there are none, and `CorruptError` if they are
    damaged."""
    known = versions_with(ctx, METRICS_FILE)
    if not known:
        raise NotFound("there are no figures yet: `recsys train` makes them")
    chosen = version or known[-1]
    if chosen not in known:
        raise NotFound(f"there are no figures of version {chosen}; the newest are {', '.join(known[-5:])}")
    key = ctx.keys.model_file(chosen, METRICS_FILE)
    figures = _read_json(ctx, key)
    if not figures:
        raise CorruptError(f"{key} is damaged")
    return RunFigures(chosen, figures)


def save_figures(ctx: Context, version: str, figures: Mapping[str, Any]) -> None:
    ctx.bucket.put(ctx.keys.model_file(version, METRICS_FILE), json.dumps(figures, indent=1).encode())


def save_page(ctx: Context, version: str, html: str) -> None:
    ctx.bucket.put(ctx.keys.model_file(version, REPORT_FILE), html.encode())


def figures_before(ctx: Context, version: str) -> dict[str, Any] | None:
    """The figures of the newest training before `version`; None for the first training, and where they are damaged or
    in the form of an older release."""
    earlier = [found for found in versions_with(ctx, METRICS_FILE) if found < version]
    figures = _read_json(ctx, ctx.keys.model_file(earlier[-1], METRICS_FILE)) if earlier else {}
    return figures if "data" in figures else None


def fetch_page(ctx: Context, version: str | None = None) -> Page:
    """Returns the report of `version`, or the newest one. Raises `NotFound` if there is none."""
    known = versions_with(ctx, REPORT_FILE)
    if not known:
        raise NotFound("there is no report yet: `recsys train` writes one")
    chosen = version or known[-1]
    blob = ctx.bucket.get(ctx.keys.model_file(chosen, REPORT_FILE)) if chosen in known else None
    if blob is None:
        raise NotFound(f"there is no report of version {chosen}; the newest are {', '.join(known[-5:])}")
    return Page(chosen, blob.data)


def versions_with(ctx: Context, name: str) -> list[str]:
    """The versions that have the file, oldest first. Versions begin with their time, so they sort by it."""
    keys = (info.key.removeprefix(ctx.keys.models) for info in ctx.bucket.list(ctx.keys.models))
    return [version for version, _, file in (key.partition("/") for key in keys) if file == name]


PEOPLE_FILE: Final = "people.json"


def save_shown(ctx: Context, version: str, marks: list[str]) -> None:
    """Saves the marks of the people whom a report shows.

    It is called before the report is saved, because a report without this file counts as showing every person."""
    ctx.bucket.put(ctx.keys.model_file(version, PEOPLE_FILE), json.dumps({"shown": sorted(marks)}).encode())


def delete_reports(ctx: Context, tombstones: Tombstones, versions: Sequence[str] | None = None) -> int:
    """Deletes the reports that show an erased person, of all or of the given versions. Returns their number."""
    looked_at = versions_with(ctx, REPORT_FILE) if versions is None else versions
    shown = [version for version in looked_at if _shows(ctx, version, tombstones)]
    for version in shown:
        ctx.bucket.delete(ctx.keys.model_file(version, REPORT_FILE))
    return len(shown)


def _shows(ctx: Context, version: str, tombstones: Tombstones) -> bool:
    """One of which nobody can tell any more whom it shows does."""
    shown = _read_json(ctx, ctx.keys.model_file(version, PEOPLE_FILE)).get("shown")
    if not isinstance(shown, list) or not all(isinstance(mark, str) for mark in shown):
        return True
    return not tombstones.of_marks.keys().isdisjoint(shown)


def _read_json(ctx: Context, key: str) -> dict[str, Any]:
    """The object's fields; none where it is gone, and none with a line in the log where it is damaged."""
    blob = ctx.bucket.get(key)
    try:
        found = json.loads(blob.data) if blob else {}
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict):
        return found
    logs.event(log, logging.WARNING, "file of a model is damaged", key=key)
    return {}
