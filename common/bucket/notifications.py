"""Notification rules of a bucket, where the store has them: MinIO, RustFS and Ceph do; several others do not.

A target is a queue at MinIO and RustFS, and a topic (`arn:aws:sns:…`) at Ceph, which ignores rules of queues.

Of the stores without rules, some answer an error, and some do not know the request and take it for another one. So what
was put is read back before it counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from botocore.client import BaseClient
from botocore.exceptions import ClientError

from common.bucket.s3_errors import translated

OUR_RULES: Final = "recsys-"
_EVENTS: Final = [f"s3:ObjectCreated:{kind}" for kind in ("Put", "Post", "Copy", "CompleteMultipartUpload")]
_NOT_THERE: Final = frozenset(
    {
        "NotImplemented", "XNotImplemented", "MethodNotAllowed", "UnsupportedOperation", "405", "501",
        "BucketAlreadyOwnedByYou", "BucketAlreadyExists",  # taken for the making of a bucket: SeaweedFS 4.48
    }
)  # fmt: skip


# What a bucket's configuration calls the rules of each kind of target, and the target's ARN in one of them.
_ARN_OF: Final = {"QueueConfigurations": "QueueArn", "TopicConfigurations": "TopicArn"}


@dataclass(frozen=True)
class NotificationRule:
    """An object whose key starts with `prefix` is announced to `target`, the ARN of a queue or topic of the store."""

    function: str
    prefix: str
    target: str


class RulesOutcome(StrEnum):
    SET = "set"
    UNCHANGED = "unchanged"
    NOT_SUPPORTED = "not supported"


def set_rules(client: BaseClient, bucket: str, rules: Sequence[NotificationRule]) -> RulesOutcome:
    """Puts our rules beside those of others; ours that are not in `rules` go. The same rules again change nothing."""
    with translated("set the notification rules of", bucket):
        try:
            return _set_rules(client, bucket, rules)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _NOT_THERE:
                return RulesOutcome.NOT_SUPPORTED
            raise


def _set_rules(client: BaseClient, bucket: str, rules: Sequence[NotificationRule]) -> RulesOutcome:
    current = _current(client, bucket)
    wanted = _with_ours(current, rules)
    if _ours(current) == _ours(wanted):
        return RulesOutcome.UNCHANGED
    client.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)
    kept = _ours(_current(client, bucket))
    return RulesOutcome.SET if kept == _ours(wanted) else RulesOutcome.NOT_SUPPORTED


def _current(client: BaseClient, bucket: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.get_bucket_notification_configuration(Bucket=bucket)
    answer.pop("ResponseMetadata", None)
    return answer


def _with_ours(current: dict[str, Any], rules: Sequence[NotificationRule]) -> dict[str, Any]:
    """The bucket's configuration with these rules in place of all that are ours."""
    wanted = dict(current)
    for kind in _ARN_OF:
        others = [entry for entry in current.get(kind, []) if not _is_ours(entry)]
        wanted[kind] = [*others, *(_entry(rule) for rule in rules if _kind(rule.target) == kind)]
    return wanted


def _kind(target: str) -> str:
    _, _, service, *_ = target.split(":")
    return "TopicConfigurations" if service == "sns" else "QueueConfigurations"


def _entry(rule: NotificationRule) -> dict[str, Any]:
    # One prefix a rule: several are several rules, told apart by their Id.
    return {
        "Id": f"{OUR_RULES}{rule.function}-{rule.prefix.strip('/').replace('/', '-')}",
        _ARN_OF[_kind(rule.target)]: rule.target,
        "Events": _EVENTS,
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": rule.prefix}]}},
    }


def _is_ours(entry: dict[str, Any]) -> bool:
    return str(entry.get("Id", "")).startswith(OUR_RULES)


def _ours(configuration: dict[str, Any]) -> set[tuple[str, str]]:
    """Id, which holds function and prefix, and target of our rules; stores send the rest back in forms of their own."""
    return {
        (entry["Id"], entry[arn])
        for kind, arn in _ARN_OF.items()
        for entry in configuration.get(kind, [])
        if _is_ours(entry)
    }
