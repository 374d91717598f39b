"""What a run says to an admin, in words: `recsys upload --wait`, `recsys status` and `recsys doctor` share it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from common.schemas.documents import RunRecord
from common.store.uploads.reasons import REASONS

MOST_REASONS: Final = 3
"""How many reasons for refused rows are told, the most frequent ones."""


def told(run: RunRecord) -> list[str]:
    """Sentences about what the run refused and noticed, the refused rows first. A run without news has none."""
    return [*refused(run.reasons), *_where(run), *run.notices]


def refused(reasons: Mapping[str, int]) -> list[str]:
    """A sentence with the remedy for each of the most frequent reasons, and one for the rest."""
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    told_of = [because(code, rows) for code, rows in ordered[:MOST_REASONS]]
    rest = ordered[MOST_REASONS:]
    if rest:
        others = f"{len(rest)} other reason{'' if len(rest) == 1 else 's'}"
        told_of.append(f"{_rows(sum(rows for _, rows in rest))} refused for {others}")
    return told_of


def because(code: str, rows: int) -> str:
    """A sentence about so many rows that were refused for this reason, with what to do."""
    reason = REASONS.get(code)
    if reason is None:
        return f"{_rows(rows)} refused: {code}"
    return f"{_rows(rows)} refused: {reason.problem} ({code}). What to do: {reason.remedy}"


def _where(run: RunRecord) -> Sequence[str]:
    report = run.details.get("quarantine")
    if not report:
        return ()
    return (f"`recsys quarantine {report}` shows what was refused and why",)


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
