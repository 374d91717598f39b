from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.config import Purchased
from common.evaluation.baselines.base import judge_baseline
from common.evaluation.baselines.own_frequent import OwnFrequent
from common.evaluation.cases import Cases, Relevance, make_cases
from common.evaluation.judge import PRIMARY
from common.evaluation.metrics import ndcg_at_k
from common.evaluation.repeats import K, RepeatDecision, judge_as_served, judge_repeats
from common.evaluation.split import temporal_split
from common.ids import UserKey, join_user_key
from common.models.artifact import Artifact
from common.models.base import FitOptions, TrainingData
from common.models.registry import make
from common.schemas.data import DueColumns, EventType, Interactions, LayerContent, Weighting
from common.serving.bundle import ServedBundle
from common.serving.encoders import ENCODERS
from common.serving.ranking import RankingRequest, rank
from common.usecases.publish.layers.histories import histories_of
from common.usecases.publish.layers.people import user_rows
from tests.bundles import Goods, layer_content, open_layers
from tests.shops import Event, interactions

ALS = {"factors": 2, "regularization": 0.1, "weighting": {"half_life_days": 30}}


def cases_of(data: Interactions) -> Cases:
    split = temporal_split(data, 20, 0)
    assert split is not None
    return make_cases(split.validation, 1)


def fit(cases: Cases, family: str = "als") -> Artifact:
    model = make(family, ALS if family == "als" else {})
    return model.fit(TrainingData(cases.fold.past), FitOptions(1, 1, cases.fold.cut_s))


def repeats(data: Interactions, family: str = "als") -> RepeatDecision:
    cases = cases_of(data)
    artifact = fit(cases, family)
    return judge_repeats(artifact, cases, ENCODERS[artifact.encoder], fit(cases, "popular"))


def loyal() -> Interactions:
    """Each has three things of their own on a shelf of thirty, more than two factors can tell apart; some go back."""
    rng = np.random.default_rng(1)
    own = {f"u{user:02}": rng.choice(30, 3, replace=False) for user in range(40)}
    bought = [
        Event(user, f"i{rng.choice(items):02}", day + rng.random())
        for day in range(80)
        for user, items in own.items()
        if rng.random() < 0.3
    ]
    returned = [replace(event, kind=EventType.RETURN, day=event.day + 0.1) for event in bought[::9]]
    return interactions([*bought, *returned])


def test_where_all_buy_their_own_again_these_are_put_forward() -> None:
    found = repeats(loyal())
    assert found.put_forward > found.show > found.hide
    assert found.boost > 0
    assert found.decision is Purchased.BOOST


@pytest.mark.parametrize("purchased", [Purchased.HIDE, Purchased.SHOW, Purchased.BOOST])
@pytest.mark.parametrize("family", ["als", "popular"])
def test_serving_does_what_was_judged(family: str, purchased: Purchased, tmp_path: Path) -> None:
    """The NDCG@10 of the bundle made from the judged artifact, for the same people, is the same."""
    cases = cases_of(loyal())
    artifact = fit(cases, family)
    judged = judge_repeats(artifact, cases, ENCODERS[artifact.encoder], fit(cases, "popular"))
    bundle = open_layers(
        [layer(artifact, cases, judged.half_life_days)],
        tmp_path,
        encoder=artifact.encoder,
        encoder_params=artifact.encoder_params,
    )
    lists = [served(bundle, join_user_key(*key), purchased, judged.boost) for key in cases.user_keys.tolist()]
    relevant = cases.relevant(Relevance.ALL)
    hits = np.array([[bool(relevant[row, item]) for item in listed] for row, listed in enumerate(lists)])
    expected = {Purchased.HIDE: judged.hide, Purchased.SHOW: judged.show, Purchased.BOOST: judged.put_forward}
    found = ndcg_at_k(hits, np.diff(relevant.indptr).astype(np.int32), K).mean()
    assert found == pytest.approx(expected[purchased], abs=1e-6)
    decided = judged.served(purchased)
    whole = judge_as_served(artifact, cases, ENCODERS[artifact.encoder], fit(cases, "popular"), decided)
    assert whole.metrics[Relevance.ALL][PRIMARY] == pytest.approx(found, abs=1e-6)


def layer(artifact: Artifact, cases: Cases, half_life: float | None) -> LayerContent:
    past = cases.fold.past
    assert artifact.item_ids == past.item_ids
    numbers = np.arange(past.n_items, dtype=np.int32)
    histories = histories_of(past, Weighting.model_validate(artifact.params["weighting"]), cases.fold.cut_s, half_life)
    nobody = np.empty((0, artifact.dim), np.float32)
    content = layer_content(
        Goods(numbers.tolist(), artifact.item_vectors),
        encoder=dict(artifact.encoder_arrays),
        popular=np.argsort(-artifact.item_vectors[:, 0], kind="stable").astype(np.int32),
    )
    due = DueColumns.unknown(histories.repeats)
    return replace(content, users=user_rows(past.user_keys, histories, due, numbers, lambda *_: nobody, nobody))


def served(bundle: ServedBundle, key: UserKey, purchased: Purchased, boost: float) -> list[int]:
    person = bundle.find_person(key)
    assert person is not None
    hide = person.items[person.purchased] if purchased is Purchased.HIDE else np.empty(0, np.int32)
    request = RankingRequest(n=K, person=person, hide=hide, boost=boost if purchased is Purchased.BOOST else 0.0)
    return [pick.item_no for pick in rank(bundle, request)]


def test_before_one_list_for_everybody_stands_what_each_has_bought_most_often() -> None:
    cases = cases_of(loyal())
    found = repeats(loyal(), "popular")
    assert found.put_forward > found.show > found.hide
    assert found.decision is Purchased.BOOST
    floor = judge_baseline(OwnFrequent(cases.fold), cases).metrics[Relevance.ALL][PRIMARY]
    assert found.put_forward >= floor - 0.01


@pytest.mark.parametrize("seed", range(5))
def test_whatever_the_model_all_purchases_can_be_put_first(seed: int) -> None:
    """Then even vectors that say nothing leave a person's own items in front, the most frequent first."""
    cases = cases_of(loyal())
    artifact = fit(cases)
    vectors = np.random.default_rng(seed).normal(size=artifact.item_vectors.shape).astype(np.float32)
    artifact, popular = replace(artifact, item_vectors=vectors), fit(cases, "popular")
    encode = ENCODERS[artifact.encoder]
    first = judge_repeats(artifact, cases, encode, popular).with_purchases_first()
    assert first.decision is Purchased.BOOST
    reached = judge_as_served(artifact, cases, encode, popular, first.served()).metrics[Relevance.ALL][PRIMARY]
    plain = judge_baseline(OwnFrequent(cases.fold), cases).metrics[Relevance.ALL][PRIMARY]
    assert reached >= plain - 0.03


def test_where_nobody_buys_twice_hiding_is_best() -> None:
    rng = np.random.default_rng(1)
    turns = {user: 10 * (user % 2) + rng.permutation(10) for user in range(40)}
    data = interactions(
        Event(f"u{user:02}", f"i{item:02}", 8 * turn + rng.random())
        for user, items in turns.items()
        for turn, item in enumerate(items)
    )
    found = repeats(data)
    assert found.hide > found.show >= found.put_forward
    assert found.hide == pytest.approx(1.0, abs=0.3)
    assert found.decision is Purchased.HIDE
