"""The mark of a try to take in several uploads at once, so that one that kills machines is found among them.

If such a try dies, each of its uploads has one death: they are then taken in one by one, after all others, as
`attempts` has it. So only the one that kills comes to three.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pydantic import ValidationError

from common.schemas.documents import AttemptTogether, Upload
from common.usecases.ingest.attempts import Attempts, Fate, ended, fate_of, new_attempt, written
from common.usecases.shared.context import Context


@contextmanager
def marked(ctx: Context, uploads: Sequence[Upload], run_id: str) -> Iterator[None]:
    """Marks the block as a try to take in these uploads. If the process dies in it, the mark stays."""
    key = ctx.keys.attempt_together(run_id)
    mark = AttemptTogether(uploads=tuple(uploads), attempt=new_attempt(ctx, run_id))
    try:
        ctx.bucket.put(key, mark.model_dump_json().encode())
        yield
    except (Exception, KeyboardInterrupt, SystemExit):
        written(lambda: ctx.bucket.delete(key))
        raise
    else:
        written(lambda: ctx.bucket.delete(key))
    finally:
        ended(run_id)


def tried_before(ctx: Context) -> set[str]:
    """The keys of the uploads with tries that have died or still go on. Deaths of tries of several are counted here."""
    tried: set[str] = set()
    for info in ctx.bucket.list(ctx.keys.attempts):
        if info.key.startswith(ctx.keys.attempts_together):
            tried |= _named_at(ctx, info.key)
        else:
            tried.add(ctx.keys.attempted(info.key))
    return tried


def forget_marks(ctx: Context) -> None:
    """Deletes marks of which no upload waits any more, whoever took them in."""
    marks = [info.key for info in ctx.bucket.list(ctx.keys.attempts_together)]
    if not marks:
        return
    waiting = {info.key for info in ctx.bucket.list(ctx.keys.incoming)}
    for key in marks:
        mark = _mark_at(ctx, key)
        if mark and waiting.isdisjoint(upload.key for upload in mark.uploads):
            ctx.bucket.delete(key)


def _named_at(ctx: Context, key: str) -> set[str]:
    mark = _mark_at(ctx, key)
    if mark is None:
        return set()
    fate = fate_of(ctx, mark.attempt, ctx.bucket.now())
    if fate is Fate.DIED:
        for upload in mark.uploads:
            there = ctx.bucket.head(upload.key)
            if there and there.etag == upload.etag:
                Attempts.died(ctx, upload)
    if fate is not Fate.GOES_ON:
        ctx.bucket.delete(key)
    return set() if fate is Fate.ENDED else {upload.key for upload in mark.uploads}


def _mark_at(ctx: Context, key: str) -> AttemptTogether | None:
    blob = ctx.bucket.get(key)
    try:
        return AttemptTogether.model_validate_json(blob.data) if blob else None
    except ValidationError:
        return None
