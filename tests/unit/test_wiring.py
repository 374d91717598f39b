from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from common.bucket.port import CONFLICT
from common.bucket.s3_clients import S3Clients
from common.edges.wiring import make_context
from common.errors import BucketUnavailable, SettingError
from common.usecases.shared.context import Context

ENVIRONMENT = {
    "RECSYS_BUCKET": "shop-data",
    "RECSYS_PREFIX": "shop/",
    "RECSYS_S3_ENDPOINT": "http://127.0.0.1:9",
    "RECSYS_S3_ACCESS_KEY": "access",
    "RECSYS_S3_SECRET_KEY": "secret",
    "RECSYS_PSEUDONYM_KEY": "00" * 16,
}


def test_making_a_context_connects_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(S3Clients, "_new_client", lambda *_: pytest.fail("a client was made"))
    ctx = make_context(ENVIRONMENT)
    assert ctx.keys.store_current == "shop/store/current.json"
    assert ctx.settings.bucket == "shop-data"


def test_a_store_that_is_away_is_noticed_at_the_first_use() -> None:
    with pytest.raises(BucketUnavailable):
        make_context(ENVIRONMENT).bucket.get("shop/store/current.json")


@pytest.mark.parametrize("missing", [name for name in ENVIRONMENT if name != "RECSYS_PREFIX"])
def test_a_missing_setting_is_named(missing: str) -> None:
    with pytest.raises(SettingError, match=missing):
        make_context({name: value for name, value in ENVIRONMENT.items() if name != missing})


def test_a_context_reads_and_commits(context: Context, context_with: Callable[..., Context]) -> None:
    key = context.keys.store_current
    etag = context.bucket.put_if(key, b"first", None)
    assert etag is not CONFLICT
    info = context_with(max_layers=2).bucket.head(key)
    assert info is not None
    assert info.etag == etag
    assert [info.key for info in context.bucket.list(context.keys.store)] == [key]


def test_a_bucket_survives_the_fork_of_the_process_that_made_it(environment: dict[str, str]) -> None:
    """Functions are imported in a server's first process and called in its forks."""
    script = """
import os, sys
from common.edges.wiring import make_context
ctx = make_context(os.environ)
children = []
for number in range(2):
    child = os.fork()
    if child == 0:
        ctx.bucket.put(f"{ctx.keys.store}{number}", b"from a fork")
        os._exit(0)
    children.append(child)
assert all(os.waitpid(child, 0)[1] == 0 for child in children)
assert len(list(ctx.bucket.list(ctx.keys.store))) == 2
"""
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, timeout=60)
