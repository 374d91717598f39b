"""What a training that was killed had learned, for the next one.

Each training keeps its finished trials under `models/<run>/trials.json` until it ends. A file that is left there is of
a training that was killed. The next one tries its best settings first, and on the same data none of its trials again.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from common import logs
from common.errors import BadRequest, BucketUnavailable
from common.models.registry import families_for_people, make
from common.tuning.best_trial import best_trial
from common.tuning.records import State, TrialRecord
from common.usecases.shared.context import Context
from common.usecases.shared.report_files import versions_with
from common.usecases.train.evaluator import Candidate

TRIALS_FILE: Final = "trials.json"
FORMAT_VERSION: Final = 1
KEEP_EVERY_S: Final = 1.0
MOST_RECORDS: Final = 1000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Learned:
    """The finished trials of one training. Those under the same `search` name can be compared: same people, same
    window, same relevance."""

    search: str
    records: tuple[TrialRecord, ...]

    def best(self) -> Candidate | None:
        """The candidate of the best trial; None where this release does not know its family or settings."""
        record = best_trial(self.records)
        if record is None:
            return None
        try:
            return Candidate(make(record.family, record.params), "earlier")
        except BadRequest:
            return None


class TrialFile:
    """The trials of this training in the bucket. It informs later trainings only: one that cannot be written costs
    nothing else."""

    def __init__(self, ctx: Context, run_id: str) -> None:
        self._ctx = ctx
        self._run_id = run_id
        self._records: list[TrialRecord] = []
        self._kept = -KEEP_EVERY_S
        self._taken_over: list[str] = []

    def earlier(self) -> list[Learned]:
        """What trainings had learned that were killed, the newest first."""
        self._taken_over = versions_with(self._ctx, TRIALS_FILE)
        read = (_read(self._ctx, version) for version in reversed(self._taken_over))
        return [learned for learned in read if learned]

    def add(self, search: str, record: TrialRecord) -> None:
        """Keeps a finished trial; of several within a second, with the next one."""
        self._records.append(record)
        if time.monotonic() - self._kept < KEEP_EVERY_S or len(self._records) > MOST_RECORDS:
            return
        self._kept = time.monotonic()
        content = {
            "format_version": FORMAT_VERSION,
            "search": search,
            "records": [asdict(record) for record in self._records],
        }
        try:
            self._ctx.bucket.put(self._key(self._run_id), json.dumps(content).encode())
        except BucketUnavailable as error:
            logs.event(log, logging.WARNING, "trials not kept", run_id=self._run_id, detail=error.message)

    def close(self) -> None:
        """Deletes the file, and those that were taken over: this training has ended, and its result says it all."""
        for version in {*self._taken_over, self._run_id}:
            try:
                self._ctx.bucket.delete(self._key(version))
            except BucketUnavailable as error:
                logs.event(log, logging.WARNING, "trials not deleted", run_id=version, detail=error.message)

    def _key(self, version: str) -> str:
        return self._ctx.keys.model_file(version, TRIALS_FILE)


def _read(ctx: Context, version: str) -> Learned | None:
    blob = ctx.bucket.get(ctx.keys.model_file(version, TRIALS_FILE))
    try:
        content = json.loads(blob.data) if blob else {}
        if content.get("format_version") != FORMAT_VERSION:
            return None
        records = tuple(_record(fields) for fields in content["records"])
        return Learned(content["search"], tuple(record for record in records if record.family in families_for_people()))
    except (ValueError, TypeError, KeyError, AttributeError):
        logs.event(log, logging.WARNING, "trials of an earlier training are damaged", run_id=version)
        return None


def _record(fields: dict[str, Any]) -> TrialRecord:
    return TrialRecord(**{**fields, "state": State(fields["state"]), "resampled": tuple(fields["resampled"])})


def with_learned(candidates: Sequence[Candidate], earlier: Sequence[Learned], search: str) -> list[Candidate]:
    """The candidates with the best of each earlier training behind what is served, and without those that one has tried
    on the same data."""
    served = [candidate for candidate in candidates if candidate.origin == "served"]
    best = [found for learned in earlier if (found := learned.best())]
    tried = {_settings(record) for record in known_records(earlier, search)}
    rest = [one for one in candidates if one.origin != "served" and _settings_of(one) not in tried]
    first: dict[tuple[str, str], Candidate] = {}
    for candidate in (*served, *best, *rest):
        first.setdefault(_settings_of(candidate), candidate)
    return list(first.values())


def known_records(earlier: Sequence[Learned], search: str) -> list[TrialRecord]:
    """The trials that need not be done again in this search."""
    return [record for learned in earlier if learned.search == search for record in learned.records]


def _settings_of(candidate: Candidate) -> tuple[str, str]:
    return candidate.model.family, json.dumps(candidate.model.config.model_dump(mode="json"), sort_keys=True)


def _settings(record: TrialRecord) -> tuple[str, str]:
    return record.family, json.dumps(record.params, sort_keys=True)
