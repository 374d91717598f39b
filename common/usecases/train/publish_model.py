"""Publishing of a trained model, with the erasures and batches that came during the training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from common.models.artifact import Artifact
from common.schemas.documents import Bundle
from common.usecases.erase.served import erase_served
from common.usecases.publish.publish import FollowUps, ServingChoices, StoreRead, publish_base
from common.usecases.shared.context import Context
from common.usecases.shared.runs import RunLog
from common.usecases.update.update import bring_up_to_date

_FOLLOW_UPS: Final = FollowUps(erase_again=erase_served, bring_up_to_date=bring_up_to_date)
_DEFAULTS: Final = ServingChoices()


def publish_model(
    ctx: Context,
    artifact: Artifact,
    metrics: Mapping[str, Any],
    covers_seq: int,
    log: RunLog,
    read: StoreRead | None = None,
    choices: ServingChoices = _DEFAULTS,
) -> Bundle:
    """Publishes the model with `publish_base` and all follow-ups. Returns the bundle that is served afterwards."""
    return publish_base(ctx, artifact, metrics, covers_seq, log, _FOLLOW_UPS, read, choices)
