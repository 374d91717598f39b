"""Publishing of a trained model, with the erasures and batches that came during the training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from common.models.artifact import Artifact
from common.models.popularity import WINDOW_DAYS
from common.schemas.documents import DEFAULT_BLEND, Bundle, DueSettings, RepeatPurchases, SimilarBlend
from common.schemas.links import Place
from common.usecases.erase.served import erase_served
from common.usecases.publish.publish import Beside, FollowUps, StoreRead, publish_base
from common.usecases.shared.context import Context
from common.usecases.shared.runs import RunLog
from common.usecases.update.update import bring_up_to_date

_FOLLOW_UPS: Final = FollowUps(erase_again=erase_served, bring_up_to_date=bring_up_to_date)


def publish_model(
    ctx: Context,
    artifact: Artifact,
    metrics: Mapping[str, Any],
    covers_seq: int,
    log: RunLog,
    read: StoreRead | None = None,
    repeats: RepeatPurchases | None = None,
    beside: Mapping[Place, Beside] | None = None,
    popular_days: float = WINDOW_DAYS,
    similar: SimilarBlend | None = DEFAULT_BLEND,
    due: DueSettings | None = None,
    first_lists: Mapping[str, str] | None = None,
) -> Bundle:
    """Publishes the model with `publish_base` and all follow-ups. Returns the bundle that is served afterwards."""
    return publish_base(
        ctx,
        artifact,
        metrics,
        covers_seq,
        log,
        _FOLLOW_UPS,
        read,
        repeats,
        beside,
        popular_days,
        similar,
        due,
        first_lists,
    )
