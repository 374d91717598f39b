"""What tests share: a clean environment, a real S3 server, a fresh bucket on it, and a use case's context."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from common.bucket import commit, probe
from common.bucket.keys import Keys
from common.bucket.probe import prove_conditional_put
from common.bucket.s3 import S3Bucket
from common.bucket.s3_clients import S3Location
from common.edges.wiring import make_context
from common.usecases.ingest import holders
from common.usecases.shared.context import Context
from infra.local.object_store import ObjectStore
from tests.lanes.marks import COLLECTED
from tests.whole import filled, whole  # noqa: F401 (fixtures: one stack for every test that looks at it)

FOREIGN = ("RECSYS_", "AWS_")
TEST_BUCKET = "recsys-tests"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    config.stash[COLLECTED] = list(items)


@pytest.fixture(autouse=True)
def isolated_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting and no credential from outside reaches a test."""
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def released_holders() -> Iterator[None]:
    """A process that takes in uploads holds a file of its cache directory as long as it lives. Here each test has a
    directory of its own, so one process would soon hold more files than it may."""
    yield
    while holders._own:
        _, (_, file) = holders._own.popitem()
        file.close()


@pytest.fixture
def fresh_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's log as a process has it that begins; afterwards it is what it was."""
    logger = logging.getLogger("common")
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "level", logging.NOTSET)
    monkeypatch.setattr(logger, "propagate", True)


@pytest.fixture(scope="session")
def object_store() -> Iterator[ObjectStore]:
    """A real S3 server with the bucket `TEST_BUCKET`; one for each worker of pytest-xdist."""
    with ObjectStore() as store:
        s3_bucket(store, TEST_BUCKET).create()
        yield store


@pytest.fixture(scope="session")
def shared_bucket(object_store: ObjectStore) -> S3Bucket:
    """`TEST_BUCKET`: for tests that keep to a prefix of their own."""
    return s3_bucket(object_store, TEST_BUCKET)


@pytest.fixture(scope="session", autouse=True)
def short_races() -> Iterator[None]:
    """Two rounds for each proof of conditional PUT, since a loser may wait a second; a test of the proof has all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe, "ROUNDS", 2)
        yield


@pytest.fixture(scope="session", autouse=True)
def impatient_writers() -> Iterator[None]:
    """Writers wait for no erasure: in many tests one stands still in the middle, and all that must hold does so without
    precedence too. A test about precedence takes this back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commit, "LONGEST_YIELD_S", 0.0)
        yield


@pytest.fixture(scope="session")
def store_proof(object_store: ObjectStore, shared_bucket: S3Bucket) -> bytes:
    """The proof of conditional PUT, made once: each shop of the tests would race its writers anew."""
    return prove_conditional_put(shared_bucket, Keys("proof/"), object_store.endpoint).model_dump_json().encode()


@pytest.fixture
def environment(
    object_store: ObjectStore, shared_bucket: S3Bucket, store_proof: bytes, tmp_path: Path
) -> dict[str, str]:
    """Settings of a shop with a prefix of its own on the real server, as environment variables."""
    prefix = f"{secrets.token_hex(8)}/"
    shared_bucket.put(Keys(prefix).conditional_put_proof, store_proof)
    return {
        "RECSYS_BUCKET": TEST_BUCKET,
        "RECSYS_PREFIX": prefix,
        "RECSYS_S3_ENDPOINT": object_store.endpoint,
        "RECSYS_S3_ACCESS_KEY": object_store.access_key,
        "RECSYS_S3_SECRET_KEY": object_store.secret_key,
        # A search would take each training's whole time budget.
        "RECSYS_TUNE_TRIALS": "0",
        "RECSYS_PSEUDONYM_KEY": "5ec2e7" * 11,
        "RECSYS_TRIGGER_TOKEN": "trigger-token-of-the-tests",
        "RECSYS_CACHE_DIR": str(tmp_path / "cache"),
    }


@pytest.fixture
def context_with(environment: dict[str, str]) -> Callable[..., Context]:
    """`context_with(max_layers=2)`: a context on this test's shop, with settings replaced by name."""

    def make(**settings: object) -> Context:
        replaced = {f"RECSYS_{name.upper()}": str(value) for name, value in settings.items()}
        return make_context({**environment, **replaced})

    return make


@pytest.fixture
def context(context_with: Callable[..., Context]) -> Context:
    return context_with()


@pytest.fixture
def bucket(object_store: ObjectStore) -> S3Bucket:
    """A bucket of its own on the real server, which ends with the session."""
    bucket = s3_bucket(object_store, f"test-{secrets.token_hex(8)}")
    bucket.create()
    return bucket


def s3_bucket(store: ObjectStore, name: str) -> S3Bucket:
    return S3Bucket(
        S3Location(
            endpoint=store.endpoint,
            region="eu-central-1",
            access_key=store.access_key,
            secret_key=store.secret_key,
            bucket=name,
        )
    )
