"""The costliest legal question, eight at a time, on a large catalogue, beside a client that asks for little."""

from __future__ import annotations

import http.client
import json
import secrets
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from common.edges.http_promotions import MAX_PROMOTIONS
from common.edges.http_turns import AT_ONCE as WORKED_ON
from common.edges.wiring import make_context
from common.usecases.recommend.question_bounds import MAX_COLUMNS, MAX_FILTER_VALUES, MAX_LOOKS
from infra.local.object_store import ObjectStore
from infra.local.ports import HOST
from tests.bundles import Goods, layer_content, publish
from tests.conftest import TEST_BUCKET
from tests.storefront_shop import shop_environment
from tests.trust.accounts import Account
from tests.trust.other_client import another_client, milliseconds
from tests.trust.recommend_server import Running, running

pytestmark = [pytest.mark.s3, pytest.mark.slow(lane="trust")]

AT_ONCE, ROUNDS = 8, 6
PER_COLUMN = MAX_FILTER_VALUES // MAX_COLUMNS
N = MAX_LOOKS // ((1 + MAX_PROMOTIONS) * (1 + MAX_COLUMNS))
"""Items of the largest catalogue in which all columns and all promotions may be asked for: 123,000."""
DIM = 16
PLAIN = "/v1/popular?n=10"
P99_S, TIMES_ALONE = 0.5, 10.0
"""Another client may wait so long, or so many times as long as without the questions: the machine may do other work."""

MOST_GROWTH = 500 << 20


@pytest.fixture(scope="module")
def server(object_store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("large")
    environment = shop_environment(object_store, TEST_BUCKET, directory)
    context = make_context(environment)
    vectors = np.random.default_rng(1).standard_normal((N, DIM)).astype(np.float32)
    extra = [{f"c{column}": f"v{column + row}" for column in range(MAX_COLUMNS)} for row in range(PER_COLUMN)]
    goods = Goods(range(N), vectors, extra=[extra[number % PER_COLUMN] for number in range(N)], prices=list(range(N)))
    gram = (vectors.T @ vectors + np.eye(DIM)).astype(np.float32)
    layer = layer_content(goods, {}, {"gram": gram}, popular=np.arange(1_000, dtype=np.int32), popular_by_category={})
    publish(context.bucket, context.keys, [layer], directory)
    with running(environment, directory) as server:
        yield server


def question(number: int) -> bytes:
    """The largest legal one; each is a filter that nobody has asked for before, and every item matches it."""
    values = {f"c{column}": [f"v{column + row}" for row in range(PER_COLUMN)] for column in range(MAX_COLUMNS)}
    promote = [f"attr.c0:v{which}:1" for which in range(MAX_PROMOTIONS)]
    return json.dumps(
        {"n": 100, "attributes": values, "promote": promote, "price_max": number + N, "basket": ["i9"]}
    ).encode()


def ask(port: int, body: bytes) -> int:
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    try:
        connection.request("POST", "/v1/recommendations", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        told = answer.read()
        assert answer.status != 503 or json.loads(told)["code"] == "busy", told
        return answer.status
    finally:
        connection.close()


def test_the_largest_legal_question_eight_at_a_time(server: Running, account: Account) -> None:
    before = server.rss()
    with another_client(server.port, "/healthz", PLAIN) as alone:
        assert ask(server.port, question(secrets.randbelow(1 << 30))) == 200
    with another_client(server.port, "/healthz", PLAIN) as seen, ThreadPoolExecutor(AT_ONCE) as pool:
        bodies = [question(secrets.randbelow(1 << 30)) for _ in range(AT_ONCE * ROUNDS)]
        statuses = Counter(pool.map(lambda body: ask(server.port, body), bodies))
    grown = server.rss() - before
    account(largest_questions=len(bodies), **{f"answers_{status}": number for status, number in statuses.items()})
    account(
        MB_grown_by_them=grown // 1_000_000, **milliseconds(seen, "beside them"), **milliseconds(alone, "before them")
    )
    assert statuses.keys() <= {200, 503}
    assert statuses[200] >= WORKED_ON
    for path, those in seen.items():
        assert those.failures == []
        assert those.seconds
        assert those.p99_s < max(P99_S, TIMES_ALONE * alone[path].p99_s)
    assert grown < MOST_GROWTH
