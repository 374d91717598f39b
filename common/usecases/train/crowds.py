"""What a training says of customer ids that stand for many people."""

from __future__ import annotations

from collections.abc import Sequence

from common.config import Settings
from common.store.segments.reader import Reader


def told_of_crowds(reader: Reader, settings: Settings) -> Sequence[str]:
    """A notice where there are such ids. It names none, because a record of a run holds nothing of people."""
    crowds = reader.crowds(settings.crowd_share)
    if not crowds:
        return ()
    share = sum(crowd.share for crowd in crowds)
    ids = "a customer id has" if len(crowds) == 1 else f"{len(crowds)} customer ids have"
    treated = (
        "their events count as nobody's"
        if settings.crowds_are_nobody
        else "if they are no persons, set RECSYS_CROWDS_ARE_NOBODY=true"
    )
    return (f"{ids} {share:.0%} of all orders together; `recsys doctor` says which, and {treated}",)
