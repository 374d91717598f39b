"""Damage to every kind of file that there is: on a machine's disk, also while it is mapped, and in the bucket."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from common.bucket.keys import Keys
from common.edges.wiring import make_context
from common.errors import RecsysError
from common.schemas.documents import Bundle
from common.testing.memory import MemoryBucket
from common.usecases.erase.erase import erase
from common.usecases.ingest.compact import compact
from common.usecases.ingest.ingest import drain
from common.usecases.operate.doctor import doctor
from common.usecases.operate.status import status
from common.usecases.recommend.service import Query, RecommendService
from common.usecases.shared.context import Context
from common.usecases.update.update import update
from infra.local.object_store import ObjectStore
from infra.local.ports import HOST
from tests.bundles import publish
from tests.conftest import TEST_BUCKET
from tests.damage import DAMAGES, SAME_SIZE, Damage, cut, empty
from tests.erika import ERIKA, OTHERS, filled
from tests.memory import memory_context
from tests.storefront_shop import shop_environment, shop_layer, token
from tests.trust.accounts import Account
from tests.trust.recommend_server import Running, running

READY_S = 20.0
"""Until the answers are as before, on a machine that does other work too. On a quiet one it takes two."""

QUESTIONS = (
    "popular?n=60",
    "items/i5/similar?n=9",
    "items/i5/bought-together?n=9",
    "items?item_id=i1&item_id=i59",
    "popular?n=9&category=c2&price_max=40",
    "recommendations?n=9",
    "recommendations?n=9&purchased=show",
)


@dataclass(frozen=True)
class Machine:
    """A published shop, and a machine on which recommend serves it."""

    environment: dict[str, str]
    directory: Path
    bundle: Bundle

    @property
    def cached(self) -> dict[str, Path]:
        """One path for each content that has any, by the first of its names."""
        files = {ref.sha256: name for layer in self.bundle.layers for name, ref in layer.files.items() if ref.bytes}
        return {name: self.directory / "cache" / sha256 for sha256, name in files.items()}


@pytest.fixture
def machine(object_store: ObjectStore, tmp_path: Path) -> Machine:
    environment = shop_environment(object_store, TEST_BUCKET, tmp_path)
    context = make_context(environment)
    bundle = publish(context.bucket, context.keys, [shop_layer(context.shop.pseudonymizer)], tmp_path)
    return Machine(environment, tmp_path, bundle)


def ask(port: int, question: str) -> bytes | None:
    """The body of an answer; None without one of status 200."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request("GET", f"/v1/{question}", headers=token() if "recommendations" in question else {})
        answer = connection.getresponse()
        body = answer.read()
        return body if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def answers(port: int) -> list[bytes] | None:
    """Of each kind; None if one of them fails."""
    found = []
    for question in QUESTIONS:
        body = ask(port, question)
        if body is None:
            return None
        found.append(body)
    return found


def seconds_until(holds: Callable[[], bool]) -> float:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < READY_S, "did not come about in time"
        time.sleep(0.02)
    return time.monotonic() - began


FRAMEWORK = ["functions-framework", "--target", "recommend", "--source", "functions/recommend/main.py"]


@contextmanager
def served(machine: Machine, how: str) -> Iterator[Running]:
    """As the image runs it, with two workers, or under functions-framework."""
    workers = {"WORKERS": "2"} if how == "two workers" else {}
    command = FRAMEWORK if how == "framework" else None
    with running(machine.environment | workers, machine.directory, command=command) as server:
        yield server


@pytest.mark.s3
@pytest.mark.slow(lane="trust")
@pytest.mark.parametrize("how", ["as the image runs it", "two workers", "framework"])
def test_a_mapped_file_that_is_cut_short_costs_seconds(machine: Machine, how: str, account: Account) -> None:
    """Its reader ends by SIGBUS; another is ready at once, and the file is whole again."""
    with served(machine, how) as server:
        before = answers(server.port)
        assert before is not None
        for name in ("item_vectors.npy", "items.faiss", "cards.bin"):
            path = machine.cached[name]
            healed = partial(_is_healed, server.port, before, path, path.stat().st_size)
            empty(path)
            ask(server.port, f"recommendations?n=9&exclude={name}")
            account(mapped_files_cut_short=1, seconds_until_ready=round(seconds_until(healed)))
        if how == "as the image runs it":
            assert "SIGBUS" in server.log.read_text()


def _is_healed(port: int, before: list[bytes], path: Path, size: int) -> bool:
    return answers(port) == before and path.is_file() and path.stat().st_size == size


@pytest.mark.slow(lane="trust")
@pytest.mark.parametrize("damage", DAMAGES)
def test_each_cached_file_by_itself_is_healed_at_a_start(damage: Damage, tmp_path: Path, account: Account) -> None:
    context = memory_context(tmp_path)
    bundle = publish(context.bucket, context.keys, [shop_layer(context.shop.pseudonymizer)], tmp_path)
    before = _in_process(context)
    for path in Machine({}, tmp_path, bundle).cached.values():
        size = path.stat().st_size
        damage(path)
        assert _in_process(memory_context(tmp_path, context.bucket)) == before
        assert path.is_file()
        assert path.stat().st_size == size
        account(cached_files_damaged=1)


def _in_process(context: Context) -> list[bytes]:
    service = RecommendService(context)
    service.watch.refresh()
    assert service.watch.refusal is None
    queries = [Query(n=60), Query(n=9, user_id="ada"), Query(n=9, page="i5"), Query(n=9, exclude=("i1",))]
    found = [service.recommend(query).body for query in queries]
    return [*found, service.similar("i5", queries[0]).body, service.bought_together("i5", queries[0]).body]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Context:
    """A bucket with everything in it: data in a base and deltas, tombstones, versions, uploads, records of runs."""
    ctx = filled(memory_context(tmp_path_factory.mktemp("full"), keep_uploads_days=3))
    erase(ctx, [ERIKA])
    return ctx


def _serve(ctx: Context) -> None:
    """Whatever is damaged, this raises nothing but what is answered with a status of its own."""
    service = RecommendService(ctx)
    service.watch.refresh()
    if service.watch.current is None:
        assert service.watch.refusal is not None or service.watch.nothing_published
    service.recommend(Query(n=5, user_id=OTHERS[0]))


USES: dict[str, Callable[[Context], object]] = {
    "recommend": _serve,
    "update": update,
    "drain": drain,
    "compact": compact,
    "status": status,
    "doctor": lambda ctx: list(doctor(ctx)),
    "erase": lambda ctx: erase(ctx, [OTHERS[0]]),
}


@pytest.mark.slow(lane="trust-long")
@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("damage", [*SAME_SIZE, cut, empty])
def test_whatever_is_damaged_in_the_bucket_is_refused_by_an_error_of_ours(
    full: Context, damage: Damage, use: str, tmp_path: Path, account: Account
) -> None:
    """Each object by itself, with an empty cache; then the object is as it was, and the same work succeeds."""
    assert isinstance(full.bucket, MemoryBucket)
    file, ends = tmp_path / "object", Counter[str]()
    for number, key in enumerate(_kinds(full.bucket, full.keys)):
        ctx = memory_context(tmp_path / str(number), full.bucket.copy(), keep_uploads_days=3)
        whole = ctx.bucket.get(key)
        assert whole is not None
        file.write_bytes(whole.data)
        damage(file)
        ctx.bucket.put(key, file.read_bytes())
        ends[_end(ctx, USES[use], key)] += 1
    account(objects_damaged=sum(ends.values()), refused=ends["refused"])
    assert ends["refused"] + ends["done"] == sum(ends.values())


def _end(ctx: Context, work: Callable[[Context], object], key: str) -> str:
    try:
        work(ctx)
    except RecsysError:
        return "refused"
    except Exception as error:
        raise AssertionError(f"{type(error).__name__} for {key}: {error}") from error
    return "done"


def _kinds(bucket: MemoryBucket, keys: Keys) -> list[str]:
    """One key of each kind: of files in a layer, one for each name; of other objects, one for each folder."""
    document = json.loads(_data(bucket, keys.serving_current))
    layers = {
        file["key"]: f"{layer['kind']} {name}"
        for layer in document["bundle"]["layers"]
        for name, file in layer["files"].items()
        if file["bytes"]
    }
    found: dict[str, str] = {}
    for info in bucket.list(""):
        folder, name = os.path.split(info.key)
        kind = layers.get(info.key) or (name if "current" in name else f"{folder}/{name.partition('-')[0][:5]}")
        if info.size:
            found.setdefault(kind if info.key in layers else _without_ids(kind), info.key)
    return list(found.values())


def _without_ids(kind: str) -> str:
    return "/".join("id" if any(letter.isdigit() for letter in part) else part for part in kind.split("/"))


def _data(bucket: MemoryBucket, key: str) -> bytes:
    blob = bucket.get(key)
    assert blob is not None
    return blob.data
