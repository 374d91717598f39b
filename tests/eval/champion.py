"""The model that a night chooses, as recommend serves it, against everything that it was chosen from.

The shop's last four weeks are held back. All before them goes through ingest and train, which search, choose and
publish as on any night; then each person who bought in those weeks is asked for through the recommend function: once as
training decided about repeated purchases, and once with what they have bought hidden. Baselines, and the best settings
of each family that the night tried, are judged on the same people.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from common.cpus import usable_cpus
from common.errors import RefusedError
from common.evaluation import metrics
from common.evaluation.baselines import BASELINES
from common.evaluation.baselines.base import Baseline, judge_baseline
from common.evaluation.bootstrap import LEVEL, interval, resampled_means
from common.evaluation.cases import Cases, Relevance
from common.evaluation.judge import PRIMARY
from common.evaluation.queries import rows_of
from common.evaluation.split import temporal_split
from common.models.base import TrainingData
from common.models.registry import families_for_people, make
from common.schemas.data import F64
from common.usecases.train.evaluator import Candidate, Evaluator
from common.usecases.train.resource_usage import measured
from tests.eval.live import LiveShop, live_shop
from tests.eval.shop_table import SEED, WINDOW_DAYS

K = 10
ASKED: dict[Relevance, dict[str, str]] = {Relevance.ALL: {}, Relevance.NEW: {"purchased": "hide"}}
"""What the requests carry: nothing, so that the published decision counts, or that purchases are to be hidden."""

PerPerson = Mapping[Relevance, F64]
"""NDCG@10 of each person whom the relevance concerns, in the order of the cases."""


@dataclass(frozen=True)
class Rival:
    """`hold` raises `RefusedError` where the shop is too large for it."""

    name: str
    hold: Callable[[], PerPerson]


def evaluate_champion(data: TrainingData, budget_s: float, **settings: object) -> dict[str, Any]:
    """What build/eval/<data>-champion.json holds. `settings` are those of the shop, by name."""
    split = temporal_split(data.interactions, WINDOW_DAYS, WINDOW_DAYS)
    if split is None or split.test is None:
        raise ValueError("too short a history for a test window")
    fold = split.test
    evaluator = Evaluator(fold, data.catalogue, SEED, usable_cpus())
    with TemporaryDirectory() as directory, live_shop(Path(directory), seed=SEED, **settings) as shop:
        shop.take_in(TrainingData(fold.past, data.catalogue))
        with measured() as usage:
            run = shop.train(budget_s)
        scores, model, found = _served(shop, evaluator.cases), shop.model(), shop.figures(run)
    return {
        "metric": PRIMARY,
        "budget_s": budget_s,
        "train_s": round(usage.seconds, 1),
        "peak_mb": usage.peak_bytes >> 20,
        "champion": {
            "family": model.family,
            "params": model.params,
            "repeats": model.repeats.model_dump() if model.repeats else None,
            "score": _means(scores),
            "people": {relevance: len(scores[relevance]) for relevance in Relevance},
        },
        "trials": len(found["trials"]),
        "notices": list(run.notices),
        "rivals": [_compared(rival, scores) for rival in _rivals(evaluator, found["trials"])],
    }


def _served(shop: LiveShop, cases: Cases) -> PerPerson:
    people = rows_of(cases.fold.past.user_keys, cases.user_keys).tolist()
    return {relevance: _asked(shop, cases, people, relevance) for relevance in Relevance}


def _asked(shop: LiveShop, cases: Cases, people: list[int], relevance: Relevance) -> F64:
    relevant = cases.relevant(relevance)
    code_of = {item_id: code for code, item_id in enumerate(cases.fold.past.item_ids)}
    hits = np.zeros((len(people), K), dtype=np.bool_)
    for row, person in enumerate(people):
        wanted = set(relevant.indices[relevant.indptr[row] : relevant.indptr[row + 1]].tolist())
        shown = shop.recommended(person, n=K, **ASKED[relevance]) if wanted else []
        hits[row, : len(shown)] = [code_of.get(item_id) in wanted for item_id in shown]
    n_relevant = np.diff(relevant.indptr).astype(np.int32)
    concerned = n_relevant > 0
    return metrics.ndcg_at_k(hits[concerned], n_relevant[concerned], K)


def _rivals(evaluator: Evaluator, trials: list[dict[str, Any]]) -> Iterator[Rival]:
    for baseline in BASELINES:
        yield Rival(baseline.name, partial(_evaluate_baseline, baseline, evaluator.cases))
    for family in families_for_people():
        own = [trial for trial in trials if trial["family"] == family]
        yield Rival(family, partial(_evaluate_family, evaluator, own or [_untried(family)]))


def _evaluate_baseline(baseline: type[Baseline], cases: Cases) -> PerPerson:
    return judge_baseline(baseline(cases.fold), cases).primary


def _untried(family: str) -> dict[str, Any]:
    """A night that had no time for a family leaves its defaults to hold."""
    return {"family": family, "params": {}, "metrics": {relevance: {} for relevance in Relevance}}


def _score(relevance: Relevance, trial: dict[str, Any]) -> float:
    score: float = trial["metrics"][relevance].get(PRIMARY, 0.0)
    return score


def _evaluate_family(evaluator: Evaluator, trials: list[dict[str, Any]]) -> PerPerson:
    """For each relevance the family's trial that was best on validation, held on the last weeks."""
    best = {relevance: max(trials, key=partial(_score, relevance)) for relevance in Relevance}
    held: dict[str, PerPerson] = {}
    for trial in best.values():
        key = json.dumps(trial["params"])
        if key not in held:
            candidate = Candidate(make(trial["family"], trial["params"]), "tuned")
            held[key] = evaluator.evaluate(candidate).judgement.primary
    return {relevance: held[json.dumps(trial["params"])][relevance] for relevance, trial in best.items()}


def _compared(rival: Rival, champion: PerPerson) -> dict[str, Any]:
    try:
        scores = rival.hold()
    except RefusedError as refusal:
        return {"name": rival.name, "left_out": refusal.message}
    gains = {relevance: _gain(champion[relevance], scores[relevance]) for relevance in Relevance}
    return {"name": rival.name, "score": _means(scores), "gain": gains}


def _gain(ours: F64, theirs: F64) -> dict[str, float]:
    """By how much the champion is better, with its paired bootstrap interval."""
    low, high = interval(resampled_means((ours - theirs)[:, np.newaxis], SEED)[:, 0])
    return {"mean": float((ours - theirs).mean()), "low": low, "high": high, "level": LEVEL}


def _means(scores: PerPerson) -> dict[str, float]:
    return {relevance: float(values.mean()) for relevance, values in scores.items()}


def lines(found: dict[str, Any]) -> Iterator[str]:
    """The result as a table for people."""
    champion = found["champion"]
    scores = "   ".join(f"{relevance} {score:.4f}" for relevance, score in champion["score"].items())
    yield f"{champion['family']} as served, {PRIMARY}: {scores}; purchased: {champion['repeats']}"
    yield from (f"  {notice}" for notice in found["notices"])
    for rival in found["rivals"]:
        if "left_out" in rival:
            yield f"  {rival['name']:24}{rival['left_out']}"
            continue
        cells = [
            f"{rival['score'][relevance]:.4f}, gain {gain['mean']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})"
            for relevance, gain in rival["gain"].items()
        ]
        yield f"  {rival['name']:24}{'   '.join(cells)}"
