"""recommend keeps to its own OpenAPI document, whatever is asked: what the document allows, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from common.edges.wiring import make_context
from infra.local.object_store import ObjectStore
from infra.local.ports import HOST
from tests.bundles import publish
from tests.conftest import TEST_BUCKET
from tests.storefront_shop import shop_environment, shop_layer
from tests.trust.accounts import Account
from tests.trust.recommend_server import running

pytestmark = pytest.mark.s3

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def address(object_store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where recommend answers: the real function on a socket."""
    directory = tmp_path_factory.mktemp("contract")
    environment = shop_environment(object_store, TEST_BUCKET, directory) | {"RECSYS_ALLOW_USER_ID": "true"}
    ctx = make_context(environment)
    publish(ctx.bucket, ctx.keys, [shop_layer(ctx.shop.pseudonymizer)], directory)
    with running(environment, directory) as server:
        yield f"http://{HOST}:{server.port}"


@pytest.fixture
def schema(address: str) -> BaseSchema:
    return schemathesis.openapi.from_url(f"{address}/openapi.json")


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize(
    ("n", "at_least"),
    [
        pytest.param(15, 60, marks=pytest.mark.slow(lane="trust"), id="a-few"),
        pytest.param(500, 2_500, marks=pytest.mark.slow(lane="trust-inputs"), id="many"),
    ],
)
def test_every_answer_is_as_the_document_says(
    schema: BaseSchema, address: str, mode: GenerationMode, n: int, at_least: int, account: Account
) -> None:
    # Where nothing can be said, nothing wrong can be.
    asked = schema if mode is GenerationMode.POSITIVE else schema.include(path_regex="^/v1/")
    for found in asked.get_all_operations():
        assert isinstance(found, Ok)
        strategy = found.ok().as_strategy(generation_mode=mode)

        @settings(
            max_examples=n, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
        )
        @given(strategy)
        def holds(case: Case[Any]) -> None:
            account(cases=1)
            case.call_and_validate(base_url=address, checks=CHECKS)

        holds()
    assert account.counted["cases"] >= at_least
