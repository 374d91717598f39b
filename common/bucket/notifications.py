"""Notification rules of a bucket, for object stores that have them: MinIO, RustFS and Ceph do, several others do not.

The target of a rule is a queue at MinIO and RustFS, and a topic (`arn:aws:sns:…`) at Ceph, which ignores rules with
queues. A store without rules answers an error, or mistakes the request for another one. So the rules are read again
after they were put, and count only then.
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
        "BucketAlreadyOwnedByYou", "BucketAlreadyExists",  # SeaweedFS 4.48 takes it for a request to create a bucket
    }
)  # fmt: skip


# The names in a bucket's configuration: of the rules for each kind of target, and of the target's ARN in a rule.
_ARN_OF: Final = {"QueueConfigurations": "QueueArn", "TopicConfigurations": "TopicArn"}


@dataclass(frozen=True)
class NotificationRule:
    """A rule that announces objects whose key starts with `prefix` to `target`, the ARN of a queue or topic."""

    function: str
    prefix: str
    target: str


class RulesOutcome(StrEnum):
    SET = "set"
    UNCHANGED = "unchanged"
    NOT_SUPPORTED = "not supported"


def set_rules(client: BaseClient, bucket: str, rules: Sequence[NotificationRule]) -> RulesOutcome:
    """Puts `rules` in place of this product's earlier rules; rules of others stay. A repeated call changes nothing.

    Returns `NOT_SUPPORTED` if the object store has no notification rules.
    """
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
    # A rule has one prefix. Several prefixes are several rules with different Ids.
    return {
        "Id": f"{OUR_RULES}{rule.function}-{rule.prefix.strip('/').replace('/', '-')}",
        _ARN_OF[_kind(rule.target)]: rule.target,
        "Events": _EVENTS,
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": rule.prefix}]}},
    }


def _is_ours(entry: dict[str, Any]) -> bool:
    return str(entry.get("Id", "")).startswith(OUR_RULES)


def _ours(configuration: dict[str, Any]) -> set[tuple[str, str]]:
    """(Id, target) of our rules. The Id holds function and prefix; other fields come back changed from some stores."""
    return {
        (entry["Id"], entry[arn])
        for kind, arn in _ARN_OF.items()
        for entry in configuration.get(kind, [])
        if _is_ours(entry)
    }
