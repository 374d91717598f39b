"""The bucket of a shop as a released version wrote it, in the hands of the present one."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from re import fullmatch
from tempfile import TemporaryDirectory

import pytest
from pydantic import BaseModel

from common.ids import Pseudonymizer
from common.models.artifact import Artifact
from common.schemas.documents import (
    Bundle,
    KeyCheck,
    RunRecord,
    RunState,
    ServingDocument,
    StoreDocument,
    TombstoneFile,
)
from common.schemas.erasure import ErasureReceipt, ErasureRequest
from common.schemas.kind import Kind
from common.schemas.quarantine import QuarantineReport
from common.serving.arrays import INFO_FILE
from common.serving.layer import LayerInfo
from common.testing.memory import MemoryBucket
from common.usecases.erase.erase import erase
from common.usecases.erase.export import export_person
from common.usecases.ingest.ingest import drain
from common.usecases.operate.doctor import CheckState, doctor
from common.usecases.operate.status import status
from common.usecases.recommend.service import Query, RecommendService
from common.usecases.shared.context import Context
from common.usecases.shared.garbage import collect_garbage
from common.usecases.train.train import TrainOptions, train
from common.usecases.update.update import update
from tests.erika import ERIKA, GOODS, OTHERS, bought, everybody
from tests.fossils import BUCKETS, CURRENT, bucket_of, read_objects
from tests.fossils.make import ASKED_FOR, DELTA_ITEM, NEWCOMER, make
from tests.memory import memory_context
from tests.shops import Event
from tests.store.shop import csv_of, events_csv, ingest, rows_of
from tests.stored import add_batch, read_served, rollback
from tests.traces import traces_of

PROGRAM = Path(__file__).parents[2] / "common"
ERASED = "erika.mustermann@example.org"
"""Whom the fossils have erased: an id that is an e-mail address, which Erika's was when they were written."""

QUICK = TrainOptions(families=("als",), evaluate=False)


@pytest.fixture(params=BUCKETS, ids=lambda path: path.stem)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Context:
    """The fossil an hour after it was written."""
    return shop_of(bucket_of(request.param, timedelta(hours=1)), tmp_path)


def shop_of(bucket: MemoryBucket, directory: Path) -> Context:
    return replace(memory_context(directory, bucket), now=bucket.now)


def answered(ctx: Context, user: str) -> list[dict[str, str]]:
    service = RecommendService(ctx)
    service.watch.refresh()
    items: list[dict[str, str]] = json.loads(service.recommend(Query(n=5, user_id=user)).body)["items"]
    return items


def served_key(ctx: Context, user: str) -> bytes:
    return bytes(ctx.shop.pseudonymizer.user_key(user))


def test_it_is_served(shop: Context) -> None:
    service = RecommendService(shop)
    service.watch.refresh()
    for answer in (service.popular(Query(n=5)), service.similar(GOODS[0], Query(n=5)), service.cards((DELTA_ITEM,))):
        assert json.loads(answer.body)["items"]
    for user in (OTHERS[0], NEWCOMER):
        assert {item["rung"] for item in answered(shop, user)} == {"personal"}
    assert export_person(shop, NEWCOMER).served is not None


def test_what_is_due_is_ranked_with_and_without_its_days(shop: Context) -> None:
    """The fossil stores none; an update stores them for the people of its batch."""

    def again(user: str) -> list[str]:
        service = RecommendService(shop)
        service.watch.refresh()
        answer = service.recommend(Query(n=9, user_id=user, kind=Kind.BUY_AGAIN))
        return [item["item_id"] for item in json.loads(answer.body)["items"]]

    before = {user: again(user) for user in (OTHERS[0], OTHERS[1])}
    assert all(before.values())
    ingest(shop, "events/new.csv", events_csv(*bought(OTHERS[1], (DELTA_ITEM,), 60)))
    assert update(shop).state is RunState.DONE
    assert again(OTHERS[0]) == before[OTHERS[0]]
    assert set(again(OTHERS[1])) >= set(before[OTHERS[1]])


def test_it_is_in_order(shop: Context) -> None:
    found = {finding.check: finding.outcome for finding in doctor(shop)}
    assert [check for check, outcome in found.items() if outcome is CheckState.FAILED] == []
    seen = status(shop)
    assert seen.store is not None
    assert seen.serving is not None
    assert (len(seen.versions), seen.serving.layers, seen.serving.batches_behind) == (1, 2, 0)
    assert seen.refused is not None
    assert len(seen.runs) == 10


def test_new_purchases_are_taken_in_and_served(shop: Context) -> None:
    run = ingest(shop, "events/new.csv", events_csv(*bought(OTHERS[1], (DELTA_ITEM,), 60)))
    assert run.state is RunState.DONE
    assert update(shop).state is RunState.DONE
    assert DELTA_ITEM in [row[0] for row in read_served(shop).people[served_key(shop, OTHERS[1])]]


def test_it_is_compacted_and_trained_on(shop: Context) -> None:
    before = rows_of(shop, OTHERS)
    people = read_served(shop).people.keys()
    assert train(shop, QUICK).state is RunState.DONE
    document = shop.store_file.read().document
    assert document is not None
    assert document.deltas == ()
    assert rows_of(shop, OTHERS) == before
    assert read_served(shop).people.keys() == people


def test_an_erasure_reaches_everything(shop: Context, tmp_path: Path) -> None:
    assert traces_of(shop, OTHERS[0], [], tmp_path)
    erase(shop, [OTHERS[0]])
    assert traces_of(shop, OTHERS[0], [], tmp_path) == []
    assert served_key(shop, OTHERS[1]) in read_served(shop).people


def test_who_was_erased_stays_so(shop: Context) -> None:
    assert export_person(shop, ERASED).erased_until is not None
    again = [line.replace(f"{ERIKA},", f"{ERASED},") for line in everybody()]
    assert ingest(shop, "events/again.csv", events_csv(*again)).reasons == {"user_erased": 5}


def test_an_erasure_that_was_asked_for_is_carried_out(shop: Context) -> None:
    assert served_key(shop, ASKED_FOR) in read_served(shop).people
    drain(shop)
    assert served_key(shop, ASKED_FOR) not in read_served(shop).people


def test_the_version_before_is_served_again(shop: Context) -> None:
    trained = status(shop).versions[0].trained_at
    assert rollback(shop).model.trained_at == trained
    assert served_key(shop, NEWCOMER) in read_served(shop).people


def test_garbage_is_told_from_what_is_needed(tmp_path: Path) -> None:
    old = shop_of(bucket_of(CURRENT, timedelta(days=3)), tmp_path / "old")
    garbage = collect_garbage(old)
    assert garbage.deleted
    assert garbage.notices == ()
    # Without what the local cache holds.
    ctx = shop_of(bucket_of(CURRENT, timedelta(days=3)), tmp_path / "new")
    ctx = replace(ctx, bucket=old.bucket)
    assert len(answered(ctx, OTHERS[0])) == 5
    assert train(ctx, QUICK).state is RunState.DONE


Read = Callable[[dict[str, bytes]], list[object]]


def documents(model: type[BaseModel], pattern: str) -> Read:
    """Reads every object whose key is like `pattern`."""
    return lambda objects: [model.model_validate_json(body) for key, body in objects.items() if fullmatch(pattern, key)]


def layers(objects: dict[str, bytes]) -> list[object]:
    served = ServingDocument.model_validate_json(objects["serving/current.json"]).bundle
    return [LayerInfo.model_validate_json(objects[layer.files[INFO_FILE].key]) for layer in served.layers]


def artifacts(objects: dict[str, bytes]) -> list[object]:
    with TemporaryDirectory() as directory:
        files = {Path(directory, key): body for key, body in objects.items() if key.startswith("models/")}
        for path, body in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
        return [Artifact.load(parent) for parent in {path.parent for path in files}]


READERS: dict[str, Read] = {
    "StoreDocument": documents(StoreDocument, r"store/current\.json"),
    "TombstoneFile": documents(TombstoneFile, r"store/erased-.*"),
    "ServingDocument": documents(ServingDocument, r"serving/current\.json"),
    "Bundle": documents(Bundle, r"serving/bundles/.*"),
    "LayerInfo": layers,
    "_Description": artifacts,
    "RunRecord": documents(RunRecord, r"runs/.*"),
    "QuarantineReport": documents(QuarantineReport, r"quarantine/.*\.json"),
    "ErasureRequest": documents(ErasureRequest, r"erasures/requests/.*"),
    "ErasureReceipt": documents(ErasureReceipt, r"erasures/receipts/.*"),
    "KeyCheck": documents(KeyCheck, r"key-check\.json"),
}
WITHOUT_FOSSIL = {"PersonExport", "ConditionalPutProof", "UploadAttempts", "AttemptTogether"}
"""The first is given out and never read. The others are begun anew where they cannot be read."""


def test_every_model_with_a_format_version_has_a_fossil() -> None:
    assert versioned_models() - WITHOUT_FOSSIL == READERS.keys()


@pytest.mark.parametrize("path", BUCKETS, ids=lambda path: path.stem)
@pytest.mark.parametrize("model", READERS)
def test_every_fossil_holds_every_model(path: Path, model: str) -> None:
    assert READERS[model](read_objects(path))


def test_a_fossil_of_the_present_formats_can_be_made(tmp_path: Path) -> None:
    make(tmp_path / "present.zip")
    objects = read_objects(tmp_path / "present.zip")
    assert [name for name, read in READERS.items() if not read(objects)] == []


def versioned_models() -> set[str]:
    """The classes under `common` with the field `format_version`, of their own or from the class that they extend."""
    trees = [ast.parse(path.read_text()) for path in PROGRAM.rglob("*.py")]
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    own = {node.name for node in classes if "format_version" in fields(node)}
    heirs = {node.name: names for node in classes if (names := own & {ast.unparse(base) for base in node.bases})}
    return (own | heirs.keys()) - set().union(*heirs.values())


def fields(node: ast.ClassDef) -> set[str]:
    return {ast.unparse(line.target) for line in node.body if isinstance(line, ast.AnnAssign)}


def test_a_person_of_the_form_before_is_found_under_the_new_one(
    shop: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A float column of ids once made 4711.0 of the customer 4711."""
    old = [Event("4711.0", item, day) for day, item in enumerate(GOODS[:3])]
    with monkeypatch.context() as before:
        before.setattr(Pseudonymizer, "user_key", Pseudonymizer.key_of_form)
        add_batch(shop, old)
        update(shop)
        assert traces_of(shop, "4711.0", [], tmp_path)
    for user in ("4711", "4711.0", " 4711 "):
        assert {item["rung"] for item in answered(shop, user)} == {"personal"}
        assert len(export_person(shop, user).events) == len(old)
    erase(shop, ["4711"])
    assert export_person(shop, "4711").events == ()
    with monkeypatch.context() as before:
        before.setattr(Pseudonymizer, "user_key", Pseudonymizer.key_of_form)
        assert traces_of(shop, "4711.0", [], tmp_path) == []


@pytest.mark.parametrize("listed", ["4711", "4711.0"])
def test_a_list_of_people_to_erase_reaches_the_form_before(
    shop: Context, listed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr(Pseudonymizer, "user_key", Pseudonymizer.key_of_form)
        add_batch(shop, [Event("4711.0", GOODS[0], 1)])
    ingest(shop, "erasures/a.csv", csv_of("user_id", listed))
    assert export_person(shop, "4711").events == ()
