"""The scheduled sweep: takes in uploads that no event announced, serves them, and deletes unreferenced files."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from common import logs
from common.bucket.probe import VALID_FOR, prove_conditional_put, read_proof
from common.schemas.documents import ConditionalPutProof, RunRecord
from common.usecases.ingest.ingest import drain
from common.usecases.shared.context import Context
from common.usecases.shared.garbage import collect_garbage
from common.usecases.update.update import update

log = logging.getLogger(__name__)

Result = TypeVar("Result")


@dataclass(frozen=True)
class SweepReport:
    """The result of a sweep: the runs of ingest and update, the deleted keys, and notices for the operator."""

    runs: tuple[RunRecord, ...]
    deleted: tuple[str, ...]
    notices: tuple[str, ...]


def renew_proof(ctx: Context) -> ConditionalPutProof:
    """Makes the proof of conditional PUT once a day. Raises `SettingError` where the store fails it now."""
    endpoint = ctx.settings.s3_endpoint
    proof = read_proof(ctx.bucket, ctx.keys, endpoint)
    if proof is None or ctx.now() - proof.checked_at > VALID_FOR:
        return prove_conditional_put(ctx.bucket, ctx.keys, endpoint)
    return proof


def sweep(ctx: Context) -> SweepReport:
    """Runs the sweep. A failed step does not stop the next ones: the first error is raised at the end."""
    errors: list[Exception] = []

    def results_of(step: str, work: Callable[[], Iterable[Result]]) -> tuple[Result, ...]:
        try:
            return tuple(work())
        except Exception as error:
            logs.event(log, logging.WARNING, "step of the sweep failed", step=step, error=type(error).__name__)
            errors.append(error)
            return ()

    results_of("prove conditional put", lambda: [renew_proof(ctx)])
    taken_in = results_of("drain", lambda: drain(ctx))
    updated = results_of("update", lambda: [update(ctx)])
    collected = results_of("collect_garbage", lambda: [collect_garbage(ctx)])
    if errors:
        raise errors[0]
    [garbage] = collected
    return SweepReport((*taken_in, *updated), garbage.deleted, garbage.notices)
