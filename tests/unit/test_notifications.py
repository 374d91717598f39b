"""The notification rules of a bucket, as they are asked for and as they are put."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.stub import Stubber

from common.bucket.notifications import NotificationRule, RulesOutcome, set_rules

BUCKET = "shop-data"
QUEUE = "arn:minio:sqs::ingest:webhook"
TOPIC = "arn:aws:sns:default::ingest"
CREATED = [
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
]
OTHERS: dict[str, Any] = {
    "QueueConfigurations": [{"Id": "thumbnails", "QueueArn": "arn:minio:sqs::t:webhook", "Events": ["s3:*"]}],
    "TopicConfigurations": [{"Id": "audit", "TopicArn": "arn:aws:sns:default::audit", "Events": ["s3:*"]}],
    "LambdaFunctionConfigurations": [{"LambdaFunctionArn": "arn:aws:lambda:eu::f", "Events": ["s3:*"]}],
}


@pytest.fixture
def client() -> BaseClient:
    keys = {"aws_access_key_id": "access", "aws_secret_access_key": "secret"}
    return boto3.client("s3", endpoint_url="http://127.0.0.1:9", region_name="eu-central-1", **keys)


@pytest.fixture
def store(client: BaseClient) -> Iterator[Stubber]:
    """Answers what a test expects, in this order, and nothing else."""
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def entry(target: str, prefix: str = "incoming/events/", function: str = "ingest") -> dict[str, Any]:
    arn = {"TopicArn" if ":sns:" in target else "QueueArn": target}
    key = {"FilterRules": [{"Name": "prefix", "Value": prefix}]}
    return {
        "Id": f"recsys-{function}-{prefix.strip('/').replace('/', '-')}",
        "Events": CREATED,
        "Filter": {"Key": key},
        **arn,
    }


def asked(store: Stubber, configuration: dict[str, Any]) -> None:
    store.add_response("get_bucket_notification_configuration", configuration, {"Bucket": BUCKET})


def put(store: Stubber, configuration: dict[str, Any]) -> None:
    expected = {"Bucket": BUCKET, "NotificationConfiguration": configuration}
    store.add_response("put_bucket_notification_configuration", {}, expected)


def only(**configurations: list[dict[str, Any]]) -> dict[str, Any]:
    return {"QueueConfigurations": [], "TopicConfigurations": [], **configurations}


@pytest.mark.parametrize(
    ("target", "configuration"),
    [(QUEUE, only(QueueConfigurations=[entry(QUEUE)])), (TOPIC, only(TopicConfigurations=[entry(TOPIC)]))],
    ids=["queues of MinIO and RustFS", "topics of Ceph"],
)
def test_rules_are_set_and_then_unchanged(
    client: BaseClient, store: Stubber, target: str, configuration: dict[str, Any]
) -> None:
    rules = [NotificationRule("ingest", "incoming/events/", target)]
    asked(store, {})
    put(store, configuration)
    asked(store, configuration)
    assert set_rules(client, BUCKET, rules) is RulesOutcome.SET
    asked(store, configuration)
    assert set_rules(client, BUCKET, rules) is RulesOutcome.UNCHANGED


@pytest.mark.parametrize("target", [QUEUE, TOPIC])
def test_rules_of_others_stay_and_stale_ones_of_ours_go(client: BaseClient, store: Stubber, target: str) -> None:
    kind = "TopicConfigurations" if target == TOPIC else "QueueConfigurations"
    before = {
        **OTHERS,
        "QueueConfigurations": [*OTHERS["QueueConfigurations"], entry(QUEUE, "old/")],
        "TopicConfigurations": [entry(TOPIC, "old/"), *OTHERS["TopicConfigurations"]],
    }
    after = {**OTHERS, kind: [*OTHERS[kind], entry(target), entry(target, "store/current.json", "update")]}
    asked(store, before)
    put(store, after)
    asked(store, after)
    rules = [
        NotificationRule("ingest", "incoming/events/", target),
        NotificationRule("update", "store/current.json", target),
    ]
    assert set_rules(client, BUCKET, rules) is RulesOutcome.SET


def test_another_target_of_the_same_rule_is_a_change(client: BaseClient, store: Stubber) -> None:
    asked(store, {"QueueConfigurations": [entry(QUEUE)]})
    put(store, only(TopicConfigurations=[entry(TOPIC)]))
    asked(store, {"TopicConfigurations": [entry(TOPIC)]})
    assert set_rules(client, BUCKET, [NotificationRule("ingest", "incoming/events/", TOPIC)]) is RulesOutcome.SET


def test_what_a_store_takes_and_does_not_keep_is_not_supported(client: BaseClient, store: Stubber) -> None:
    asked(store, {})
    put(store, only(QueueConfigurations=[entry(QUEUE)]))
    asked(store, {})
    rules = [NotificationRule("ingest", "incoming/events/", QUEUE)]
    assert set_rules(client, BUCKET, rules) is RulesOutcome.NOT_SUPPORTED


def test_a_store_that_does_not_know_the_request_is_not_supported(client: BaseClient, store: Stubber) -> None:
    store.add_client_error("get_bucket_notification_configuration", "NotImplemented", http_status_code=501)
    assert set_rules(client, BUCKET, []) is RulesOutcome.NOT_SUPPORTED
