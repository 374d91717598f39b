"""The pseudonym key: another one is refused, it can be changed for good, and without it the bucket names nobody."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from common.bucket.port import Blob, Bucket
from common.cli.app import app
from common.errors import CorruptError, SettingError
from common.testing.faults import Fault, FaultyBucket, Rule
from common.testing.memory import MemoryBucket
from common.usecases.erase.erase import erase, forget_tombstones
from common.usecases.erase.export import export_person
from common.usecases.ingest.ingest import drain, ingest_object
from common.usecases.ingest.quarantine import sweep_quarantine
from common.usecases.operate.doctor import CheckState, doctor
from common.usecases.recommend.service import Query, RecommendService
from common.usecases.shared.context import Context
from common.usecases.shared.key_check import check_key, require_key
from common.usecases.train.train import TrainOptions, train
from common.usecases.update.update import update
from tests.erika import ERIKA, GOODS, ITEMS, OTHERS, everybody, filled_bucket
from tests.memory import SETTINGS, memory_context
from tests.store.shop import csv_of, events_csv, everything_in, ingest, keys_under
from tests.stored import read_served, rollback
from tests.traces import traces_of

ANOTHER_KEY = "0ddba11" * 10
UPLOAD = "incoming/events/new.csv"
EVERYBODY = (*OTHERS, ERIKA)
QUICK = TrainOptions(families=("als",), evaluate=False)
RUNNER = CliRunner()

WRITERS: dict[str, Callable[[Context], object]] = {
    "ingest": lambda ctx: ingest_object(ctx, UPLOAD),
    "sweep": drain,
    "erase": lambda ctx: erase(ctx, [ERIKA]),
    "erase by upload": lambda ctx: ingest(ctx, "erasures/list.csv", csv_of("user_id", ERIKA)),
    "forget a tombstone": lambda ctx: forget_tombstones(ctx, [ERIKA]),
    "update": update,
    "train": lambda ctx: train(ctx, QUICK),
    "rollback": rollback,
}


def with_another_key(directory: Path, bucket: Bucket) -> Context:
    return memory_context(directory / "another", bucket, pseudonym_key=ANOTHER_KEY)


def items_of(service: RecommendService, query: Query) -> list[str]:
    service.watch.refresh()
    answer = service.popular(query) if query.user_id is None else service.recommend(query)
    return [item["item_id"] for item in json.loads(answer.body)["items"]]


@pytest.mark.parametrize("writer", WRITERS)
def test_no_writer_works_under_another_key(tmp_path: Path, writer: str) -> None:
    bucket = filled_bucket()
    bucket.put(UPLOAD, events_csv(*everybody()))
    ctx = with_another_key(tmp_path, bucket)
    before = everything_in(ctx)
    with pytest.raises(SettingError, match=r"RECSYS_PSEUDONYM_KEY is not the key.*docs/security\.md"):
        WRITERS[writer](ctx)
    uploaded = {"incoming/erasures/list.csv"} & everything_in(ctx).keys()
    assert {key: body for key, body in everything_in(ctx).items() if key not in uploaded} == before


class SlowToTell(FaultyBucket):
    """Another writer's value lands between the first look at the bucket and what follows from it."""

    def __init__(self) -> None:
        super().__init__(MemoryBucket())
        self.looked = False

    def get(self, key: str) -> Blob | None:
        first, self.looked = not self.looked, True
        return None if first else super().get(key)


class TestTheCheckValue:
    def test_a_bucket_from_before_gets_it_with_the_first_run(self, tmp_path: Path) -> None:
        ctx = memory_context(tmp_path, filled_bucket())
        ctx.bucket.delete(ctx.keys.key_check)
        assert not check_key(ctx)
        update(ctx)
        assert check_key(ctx)

    def test_it_is_of_no_use_to_whoever_has_it(self, tmp_path: Path) -> None:
        ctx = memory_context(tmp_path)
        require_key(ctx)
        [kept] = everything_in(ctx).values()
        check = json.loads(kept)["check"]
        secrets = (ctx.settings.pseudonym_key.get_secret_value(), ctx.shop.pseudonymizer.derived_key("erasures").hex())
        assert not any(check in secret or secret in check for secret in secrets)

    def test_of_two_first_writers_with_different_keys_one_is_refused(self, tmp_path: Path) -> None:
        bucket = SlowToTell()
        require_key(memory_context(tmp_path, bucket.inner))
        with pytest.raises(SettingError):
            require_key(with_another_key(tmp_path, bucket))

    def test_one_that_is_damaged_is_told(self, tmp_path: Path) -> None:
        ctx = memory_context(tmp_path)
        ctx.bucket.put(ctx.keys.key_check, b"{}")
        with pytest.raises(CorruptError, match="key-check"):
            update(ctx)

    def test_recommend_never_asks_for_it(self, tmp_path: Path) -> None:
        bucket = FaultyBucket(filled_bucket(), [Rule("get", Fault.FAIL_BEFORE, key="key-check.json")])
        assert items_of(RecommendService(memory_context(tmp_path, bucket)), Query(n=3, user_id=OTHERS[0]))


def test_the_doctor_tells_of_another_key(tmp_path: Path) -> None:
    bucket = filled_bucket()
    assert outcome(memory_context(tmp_path, bucket)) is CheckState.OK
    assert outcome(with_another_key(tmp_path, bucket)) is CheckState.FAILED


def outcome(ctx: Context) -> CheckState:
    return next(finding.outcome for finding in doctor(ctx) if finding.check == "pseudonym key")


@pytest.mark.s3
@pytest.mark.parametrize("command", [("erase", "ann"), ("export", "ann"), ("train",), ("sweep",), ("rollback",)])
def test_the_operator_is_told_what_to_set(
    context: Context, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    require_key(context)
    for name, value in {**environment, "RECSYS_PSEUDONYM_KEY": ANOTHER_KEY}.items():
        monkeypatch.setenv(name, value)
    result = RUNNER.invoke(app, command)
    assert result.exit_code == 3
    assert "RECSYS_PSEUDONYM_KEY is not the key" in result.output


def test_a_key_is_changed_under_a_prefix_of_its_own(tmp_path: Path) -> None:
    """The steps of docs/security.md."""
    old = memory_context(tmp_path / "old", filled_bucket())
    erase(old, [ERIKA])
    new = memory_context(tmp_path / "new", old.bucket, pseudonym_key=ANOTHER_KEY, prefix="second/")

    new.bucket.put(f"{new.keys.incoming_items}items.csv", ITEMS)
    new.bucket.put(f"{new.keys.incoming_events}all.csv", events_csv(*everybody()))
    drain(new)
    erase(new, [ERIKA])
    train(new, QUICK)
    for info in [info for info in old.bucket.list("") if not info.key.startswith(new.keys.prefix)]:
        old.bucket.delete(info.key)

    assert {bytes(new.shop.pseudonymizer.user_key(user)) for user in OTHERS} == read_served(new).people.keys()
    assert set(items_of(RecommendService(new), Query(n=3, user_id=OTHERS[0]))) <= set(GOODS)
    assert ingest(new, "events/again.csv", events_csv(*everybody())).reasons == {"user_erased": 5}
    assert traces_of(new, ERIKA, [], tmp_path) == []
    assert [traces_of(old, user, [], tmp_path) for user in OTHERS] == [[]] * len(OTHERS)


@pytest.mark.slow(lane="erase")
def test_without_its_key_a_bucket_names_nobody_and_still_serves(tmp_path: Path) -> None:
    bucket = filled_bucket()
    ctx = memory_context(tmp_path, bucket)
    found = {user: bool(traces_of(ctx, user, [], tmp_path)) for user in EVERYBODY}
    assert all(found.values())
    # Files that were refused whole name people in the clear, for as long as the quarantine keeps them.
    sweep_quarantine(replace(ctx, now=lambda: bucket.now() + timedelta(days=ctx.settings.quarantine_days + 1)))
    assert keys_under(ctx, "quarantine/") == []

    for guess in (ANOTHER_KEY, "00" * 32, SETTINGS["RECSYS_PSEUDONYM_KEY"][:-2] + "00"):
        without = memory_context(tmp_path / guess, bucket, pseudonym_key=guess)
        assert [traces_of(without, user, [], tmp_path) for user in EVERYBODY] == [[]] * len(EVERYBODY)
        exported = export_person(without, ERIKA)
        assert (exported.events, exported.served, exported.erased_until) == ((), None, None)
        assert items_of(RecommendService(without), Query(n=3))
