"""Making a bucket ready for a shop. Idempotent: what is there already stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from common.bucket.notifications import NotificationRule, RulesOutcome
from common.bucket.probe import prove_conditional_put
from common.bucket.s3 import S3Bucket
from common.usecases.shared.context import Context


@dataclass(frozen=True)
class SetupReport:
    """`rules` is None where no target was named. Without rules, events come late: by the scheduled sweep."""

    bucket: str
    created: bool
    rules: RulesOutcome | None

    @property
    def sweep_only(self) -> bool:
        return self.rules in (None, RulesOutcome.NOT_SUPPORTED)


def setup(ctx: Context, store: S3Bucket, rules: Sequence[NotificationRule]) -> SetupReport:
    """Makes the bucket, proves that it honours conditional PUT, and sets the notification rules.

    Raises `SettingError` where the store cannot be used, `BucketUnavailable` where it does not answer.
    """
    created = store.create()
    prove_conditional_put(store, ctx.keys, ctx.settings.s3_endpoint)
    outcome = store.set_rules(rules) if rules else None
    return SetupReport(bucket=ctx.settings.bucket, created=created, rules=outcome)
