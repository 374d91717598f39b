"""The train function over its HTTP interface and the use case behind it, on a real S3 server."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.bucket.port import Bucket
from common.errors import BadRequest, BucketUnavailable, SettingError
from common.models.artifact import Artifact
from common.models.registry import FAMILIES
from common.schemas.data import DAY_S, EventType
from common.schemas.documents import RunRecord, RunState
from common.usecases.ingest.ingest import drain
from common.usecases.shared.context import Context
from common.usecases.shared.report_files import fetch_page, versions_with
from common.usecases.train.learned import TRIALS_FILE
from common.usecases.train.train import TrainOptions, train
from tests.caller import Caller, client_of
from tests.shops import NOON, Event
from tests.stored import read_served, served_document
from tests.unit.test_trend import season_events

pytestmark = pytest.mark.s3

MakeContext = Callable[..., Context]


def sell(ctx: Context, events: Iterable[Event]) -> None:
    """Uploads the events and takes them in."""
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(("user_id", "item_id", "ts", "qty", "event_type", "order_id", "consent"))
    for event in events:
        order = event.order if event.order >= 0 else ""
        ts = NOON + round(event.day * DAY_S)
        consent = event.user is not None
        writer.writerow((event.user or "nobody", event.item, ts, event.qty, event.kind, order, consent))
    ctx.bucket.put(f"{ctx.keys.incoming_events}{len(lines.getvalue())}.csv", lines.getvalue().encode())
    [record] = drain(ctx)
    assert record.state is RunState.DONE, record


def two_tastes(days: int = 70, turned_after: float = np.inf) -> list[Event]:
    """40 people who buy from one of two shelves of 10, and after `turned_after` days from the other."""
    rng = np.random.default_rng(11)
    return [
        Event(
            f"person {user}", f"i{10 * ((user + (day > turned_after)) % 2) + rng.integers(10):02}", day + rng.random()
        )
        for day in range(days)
        for user in rng.choice(40, 6, replace=False)
    ]


QUICK = {"train_families": "als,popular", "validation_days": 10, "test_days": 10, "tune_trials": 0, "threads": 1}


@pytest.fixture
def shop(context_with: MakeContext) -> Context:
    return context_with(**QUICK)


@pytest.fixture
def function(environment: dict[str, str], fresh_logs: None, monkeypatch: pytest.MonkeyPatch) -> Caller:
    settings = {f"RECSYS_{name.upper()}": str(value) for name, value in QUICK.items()}
    for name, value in {**environment, **settings}.items():
        monkeypatch.setenv(name, value)
    return client_of("train")


def metrics_file(ctx: Context, run: RunRecord) -> dict[str, Any]:
    blob = ctx.bucket.get(ctx.keys.model_file(run.run_id, "metrics.json"))
    assert blob is not None
    found: dict[str, Any] = json.loads(blob.data)
    return found


def test_an_order_over_http_trains_and_publishes(function: Caller, shop: Context, environment: dict[str, str]) -> None:
    sell(shop, two_tastes())
    token = {"Authorization": f"Bearer {environment['RECSYS_TRIGGER_TOKEN']}"}
    assert function.post("/", json={}).status_code == 401
    answer = function.post("/", data=b"", headers=token)
    assert answer.status_code == 200
    [run] = [RunRecord.model_validate(run) for run in answer.json["runs"]]
    assert run.state is RunState.DONE
    assert run.counts["events"] == 420

    model = served_document(shop).bundle.model
    assert (model.family, model.version) == ("als", run.run_id)
    assert model.metrics["model"]["new_purchases"]["ndcg@10"] > model.metrics["popular"]["new_purchases"]["ndcg@10"]
    figures = metrics_file(shop, run)
    assert len(figures["trials"]) > 2
    assert model.repeats is not None
    assert model.repeats.model_dump() == {
        name: figures["repeats"][name] for name in ("decision", "boost", "half_life_days")
    }
    assert read_served(shop).popular


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"families": ["svd"]}, "there is no model family 'svd'; there are als"),
        ({"families": [""]}, "there is no model family ''; there are als"),
        ({"family": "als"}, "family: Extra inputs"),
        ({"budget_s": -1}, "budget_s: Input should be greater than 0"),
        ("[]", "body is not an order"),
    ],
)
def test_an_order_that_is_not_understood_is_answered_with_what_is_wrong(
    function: Caller, environment: dict[str, str], body: object, named: str
) -> None:
    token = {"Authorization": f"Bearer {environment['RECSYS_TRIGGER_TOKEN']}"}
    sent = {"data": body} if isinstance(body, str) else {"json": body}
    answer = function.post("/", headers=token, **sent)
    assert answer.status_code == 400
    assert named in answer.json["detail"]


def test_the_saved_artifact_is_what_is_served(shop: Context, tmp_path: Path) -> None:
    sell(shop, two_tastes())
    run = train(shop, TrainOptions())
    prefix = shop.keys.model_file(run.run_id, "")
    for info in shop.bucket.list(prefix):
        shop.bucket.fetch(info.key, tmp_path / info.key.removeprefix(prefix))
    artifact, served = Artifact.load(tmp_path), read_served(shop)
    for item_id, vector in zip(artifact.item_ids, artifact.item_vectors, strict=True):
        np.testing.assert_array_equal(served.items[item_id][2], vector)


@pytest.mark.slow(lane="train")
def test_where_seasons_change_what_sells_better_than_usual_is_served_first(shop: Context) -> None:
    sell(shop, season_events())
    run = train(shop, TrainOptions())
    model = served_document(shop).bundle.model
    assert model.encoder == "trending_als_fold_in"
    assert model.encoder_params["trend"] == pytest.approx(metrics_file(shop, run)["trend"]["weight"])
    kept = train(shop, TrainOptions(evaluate=False))
    assert kept.state is RunState.DONE
    assert served_document(shop).bundle.model.encoder_params == model.encoder_params


def test_a_record_names_nobody(shop: Context) -> None:
    sell(shop, two_tastes())
    run = train(shop, TrainOptions())
    record = run.model_dump_json() + json.dumps(metrics_file(shop, run)) + report_of(shop, run)
    for number in range(40):
        key = shop.shop.pseudonymizer.user_key(f"person {number}")
        assert f"person {number}" not in record
        assert key.hex() not in record


def report_of(ctx: Context, run: RunRecord) -> str:
    return fetch_page(ctx, run.run_id).html.decode()


def test_the_report_shows_what_was_published_what_people_are_shown_and_what_changed(shop: Context) -> None:
    sell(shop, two_tastes())
    first = train(shop, TrainOptions())
    page = report_of(shop, first)
    assert "als is published" in page
    for section in ("data", "models", "search", "popularity", "changes", "people"):
        assert f'<h2 id="{section}">' in page
    assert "This is the first run" in page
    assert page.count("<h3>Person ") == 3
    recommended = [shown.partition("</ol>")[0] for shown in page.split("is recommended")[1:]]
    # Each sample person buys from one shelf, of the items i00 to i09 or i10 to i19.
    for shown in recommended:
        shelves = [item[0] for item in re.findall(r"<li>i(\d\d)<small>", shown)]
        assert len(shelves) == 10
        assert max(shelves.count("0"), shelves.count("1")) >= 5

    sell(shop, [Event("a new person", "a new item", 69.0, order=1)])
    page = " ".join(report_of(shop, train(shop, TrainOptions())).split())
    assert f"Against the run before, {first.run_id}" in page
    assert '<td>people</td><td class="n">40</td><td class="n">41</td><td class="n">+1</td>' in page


def test_a_run_without_evaluation_has_a_report_too(shop: Context) -> None:
    sell(shop, two_tastes())
    page = report_of(shop, train(shop, TrainOptions(evaluate=False)))
    assert "No model was judged: evaluation was switched off" in page


def test_a_report_that_the_bucket_does_not_take_fails_nothing(shop: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    sell(shop, two_tastes())
    put = type(shop.bucket).put

    def refusing(bucket: Bucket, key: str, data: bytes | Path) -> str:
        if key.endswith("report.html"):
            raise BucketUnavailable("the object store does not answer")
        return put(bucket, key, data)

    monkeypatch.setattr(type(shop.bucket), "put", refusing)
    run = train(shop, TrainOptions())
    assert run.state is RunState.DONE
    assert run.notices[-1] == "the report was not written: the object store does not answer"
    assert served_document(shop).bundle.model.version == run.run_id


def test_a_model_that_fails_the_gate_is_refused_with_its_figures_and_what_is_served_stays(
    context_with: MakeContext,
) -> None:
    """In the last ten days everybody buys what the others did: who knows people is wrong about all of them."""
    shop = context_with(**QUICK, purchased="show")
    sell(shop, two_tastes(days=60))
    before = train(shop, TrainOptions())
    assert before.state is RunState.DONE
    sell(shop, [event for event in two_tastes(turned_after=60) if event.day > 60])
    run = train(shop, TrainOptions())
    assert run.state is RunState.REFUSED
    assert run.error is not None
    assert "worse than popular" in run.error["message"]
    assert run.details["model"]["all_purchases"]["ndcg@10"] < run.details["popular"]["all_purchases"]["ndcg@10"]
    assert served_document(shop).bundle.model.version == before.run_id
    assert metrics_file(shop, run)["refusal"] == run.error["message"]
    assert "Nothing new is published. What was served stays." in " ".join(
        report_of(shop, run).replace("<p>", "").replace("</p>", "").split()
    )


@pytest.mark.slow(lane="train")
def test_without_evaluation_the_settings_that_are_served_are_fitted_on_everything(shop: Context) -> None:
    sell(shop, two_tastes(days=60))
    before = train(shop, TrainOptions())
    sell(shop, [Event("a new person", "a new item", 65.0, order=1)])
    run = train(shop, TrainOptions(evaluate=False))
    assert run.state is RunState.DONE
    assert run.details["params"] == before.details["params"]
    assert run.details["judged_by"] is None
    assert "a new item" in read_served(shop).items
    assert served_document(shop).bundle.model.version == run.run_id


def test_a_shop_with_nothing_to_learn_is_refused_with_a_reason(shop: Context) -> None:
    nothing = train(shop, TrainOptions())
    assert nothing.state is RunState.REFUSED
    assert nothing.error is not None
    assert "the store has no events: upload some to" in nothing.error["message"]
    sell(shop, [Event("a", "x"), Event("a", "x", 1, EventType.RETURN)])
    returned = train(shop, TrainOptions())
    assert returned.state is RunState.REFUSED
    assert returned.error is not None
    assert "nothing is popular" in returned.error["message"]


def test_a_family_in_the_settings_that_is_not_known_stops_the_run(context_with: MakeContext) -> None:
    with pytest.raises(SettingError, match="RECSYS_TRAIN_FAMILIES names 'svd'"):
        train(context_with(train_families="als,svd"), TrainOptions())


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which torch is not installed, and with two families beside gru4rec, for speed."""
    monkeypatch.setitem(sys.modules, "torch", None)
    for family in ("bpr", "item2vec", "lightfm"):
        monkeypatch.delitem(FAMILIES, family)


HOW_TO_INSTALL = (
    "gru4rec needs torch, which is not installed: pip install 'recsys-lite[gru4rec]' --extra-index-url https:"
)


@pytest.mark.slow(lane="train")
@pytest.mark.usefixtures("no_torch")
def test_a_family_whose_library_is_not_installed_is_left_out_and_the_report_says_so(
    context_with: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FAMILIES["gru4rec"], "least_events", 0)
    shop = context_with(**QUICK | {"train_families": ""})
    sell(shop, two_tastes())
    run = train(shop, TrainOptions())
    assert run.state is RunState.DONE
    assert run.details["family"] == "als"
    [notice] = [notice for notice in run.notices if "gru4rec" in notice]
    assert notice.startswith(f"gru4rec (default) was left out: {HOW_TO_INSTALL}")
    assert notice in html.unescape(report_of(shop, run))


@pytest.mark.usefixtures("no_torch")
def test_a_family_that_is_named_and_whose_library_is_not_installed_stops_the_run(context_with: MakeContext) -> None:
    with pytest.raises(BadRequest, match=re.escape(HOW_TO_INSTALL)):
        TrainOptions(families=("als", "gru4rec"))
    with pytest.raises(SettingError, match=re.escape(f"RECSYS_TRAIN_FAMILIES: {HOW_TO_INSTALL}")):
        train(context_with(train_families="als,gru4rec"), TrainOptions())


@pytest.mark.slow(lane="train")
def test_a_served_model_whose_library_is_not_installed_gives_way_to_one_that_can_learn(
    context_with: MakeContext, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FAMILIES["gru4rec"], "least_events", 0)
    shop = context_with(**QUICK | {"train_families": ""})
    visits = [replace(event, day=event.day + later) for event in two_tastes() for later in (0.0, 0.01)]
    sell(shop, visits)
    before = train(shop, TrainOptions(families=("gru4rec",), evaluate=False))
    assert before.details["family"] == "gru4rec"
    request.getfixturevalue("no_torch")
    for evaluate in (False, True):
        run = train(shop, TrainOptions(evaluate=evaluate))
        assert run.state is RunState.DONE
        assert run.details["family"] in ("als", "popular")
        assert any(HOW_TO_INSTALL in notice for notice in run.notices)


@pytest.mark.slow(lane="train")
@pytest.mark.parametrize(("people_ahead", "expected"), [(1_000, True), (1, False)])
def test_answers_are_made_ahead_for_as_many_people_as_the_shop_allows(
    context_with: MakeContext, people_ahead: int, expected: bool
) -> None:
    ctx = context_with(people_ahead=people_ahead)
    sell(ctx, two_tastes())
    train(ctx, TrainOptions())
    document = ctx.serving_file.read().document
    assert document is not None
    (base,) = document.bundle.layers
    assert ("user_ahead_items.npy" in base.files) is expected
    assert all(ctx.bucket.head(file.key) for file in base.files.values())


@pytest.mark.slow(lane="train")
def test_a_training_that_failed_leaves_its_trials_and_the_next_goes_on_from_them(
    context_with: MakeContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = context_with(**QUICK | {"tune_trials": 6})
    sell(shop, two_tastes())
    monkeypatch.setattr("common.usecases.train.learned.KEEP_EVERY_S", 0.0)
    fail_at_publishing(shop)
    [earlier] = versions_with(shop, TRIALS_FILE)
    left = json.loads(getattr(shop.bucket.get(shop.keys.model_file(earlier, TRIALS_FILE)), "data", b""))["records"]
    run = train(shop, TrainOptions())
    assert versions_with(shop, TRIALS_FILE) == []
    trials = metrics_file(shop, run)["trials"][:-1]
    assert trials[0]["origin"] == "earlier"
    assert trials[0]["params"] in [record["params"] for record in left]
    assert [trial["origin"] for trial in trials].count("default") == 0
    tried = [json.dumps(trial["params"], sort_keys=True) for trial in trials]
    before = [json.dumps(record["params"], sort_keys=True) for record in left]
    assert set(tried) & set(before) == {tried[0]}
    assert run.details["family"] == "als"


def fail_at_publishing(shop: Context) -> None:
    def unavailable(*_: object) -> None:
        raise BucketUnavailable("the object store does not answer")

    with pytest.MonkeyPatch.context() as failing:
        failing.setattr("common.usecases.train.train.publish_model", unavailable)
        with pytest.raises(BucketUnavailable):
            train(shop, TrainOptions())


@pytest.mark.slow(lane="train")
def test_the_next_training_on_other_data_tries_the_defaults_too(context_with: MakeContext) -> None:
    shop = context_with(**QUICK)
    sell(shop, two_tastes(days=60))
    fail_at_publishing(shop)
    sell(shop, [event for event in two_tastes() if event.day > 60])
    origins = [trial["origin"] for trial in metrics_file(shop, train(shop, TrainOptions()))["trials"]]
    assert origins[0] == "earlier"
    assert {"start", "default"} <= set(origins)


@pytest.mark.slow(lane="train")
def test_a_run_tells_how_far_it_is(shop: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    sell(shop, two_tastes())
    seen: list[RunRecord] = []
    put = type(shop.bucket).put

    def watched(bucket: Bucket, key: str, data: bytes | Path) -> str:
        if key.startswith(shop.keys.runs) and isinstance(data, bytes):
            seen.append(RunRecord.model_validate_json(data))
        return put(bucket, key, data)

    monkeypatch.setattr(type(shop.bucket), "put", watched)
    train(shop, TrainOptions())
    progress = [record.progress for record in seen]
    assert progress == sorted(progress)
    steps = list(dict.fromkeys(record.step for record in seen))
    assert steps[:2] == ["", "compacting"]
    assert {"reading", "judging als (default)", "fitting als", "publishing"} <= set(steps)
