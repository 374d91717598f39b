"""Whose purchases a report shows, told by marks, so that an erasure finds the reports that show somebody."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from common.store.tombstones import Tombstones
from common.usecases.context import Context
from common.usecases.report.files import REPORT_FILE, versions_with

PEOPLE_FILE: Final = "people.json"


def save_shown(ctx: Context, version: str, marks: list[str]) -> None:
    """Before the report itself: one without this file is taken to show anybody."""
    ctx.bucket.put(ctx.keys.model_file(version, PEOPLE_FILE), json.dumps({"shown": sorted(marks)}).encode())


def delete_reports(ctx: Context, tombstones: Tombstones, versions: Sequence[str] | None = None) -> int:
    """Deletes the reports, of all versions or of these, that show somebody who was erased; returns how many."""
    looked_at = versions_with(ctx, REPORT_FILE) if versions is None else versions
    shown = [version for version in looked_at if _shows(ctx, version, tombstones)]
    for version in shown:
        ctx.bucket.delete(ctx.keys.model_file(version, REPORT_FILE))
    return len(shown)


def _shows(ctx: Context, version: str, tombstones: Tombstones) -> bool:
    blob = ctx.bucket.get(ctx.keys.model_file(version, PEOPLE_FILE))
    return blob is None or not tombstones.of_marks.keys().isdisjoint(json.loads(blob.data)["shown"])
