"""The setup of a shop's bucket. It may be repeated; existing data stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from common.bucket.notifications import NotificationRule, RulesOutcome
from common.bucket.probe import prove_conditional_put
from common.bucket.s3 import S3Bucket
from common.usecases.shared.context import Context


@dataclass(frozen=True)
class SetupReport:
    """The result of a setup. `rules` is None if no target was named.

    Without notification rules only the scheduled sweep takes uploads in."""

    bucket: str
    created: bool
    rules: RulesOutcome | None

    @property
    def sweep_only(self) -> bool:
        return self.rules in (None, RulesOutcome.NOT_SUPPORTED)


def setup(ctx: Context, store: S3Bucket, rules: Sequence[NotificationRule], rounds: int | None = None) -> SetupReport:
    """Creates the bucket, proves conditional PUT in `rounds` or the usual number, and sets the notification rules.

    Raises `SettingError` if the object store cannot be used, `BucketUnavailable` if it does not answer.
    """
    created = store.create()
    prove_conditional_put(store, ctx.keys, ctx.settings.s3_endpoint, rounds)
    outcome = store.set_rules(rules) if rules else None
    return SetupReport(bucket=ctx.settings.bucket, created=created, rules=outcome)
