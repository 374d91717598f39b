"""What `for-you` answers known people, by its own measure: what they bought for the first time in the last four weeks.

Everything before these weeks goes through ingest and train, with als at its defaults and starts, and recommend is asked
for `kind=for-you` for everybody who bought something new. The data are moved so that the weeks begin now: an order of
the day before is fresh. Each share of places that is kept for something is held against the list without it, and the
list against the plain ones.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np

from common.errors import RefusedError
from common.evaluation import metrics
from common.evaluation.baselines import BASELINES
from common.evaluation.baselines.base import judge_baseline
from common.evaluation.bootstrap import paired_interval
from common.evaluation.cases import Cases, Relevance, make_cases
from common.evaluation.queries import rows_of
from common.evaluation.split import temporal_split
from common.models.base import TrainingData
from common.schemas.data import F64, Catalogue, Interactions
from common.usecases.publish.layers.items import take
from tests.eval.live import LiveShop, live_shop
from tests.eval.shop_table import SEED, WINDOW_DAYS
from tests.eval.shops import CALLED, SHOPS, described_gift_shop

CARDS: Final = 12
DEPTHS: Final = (10, CARDS)
"""The place for a new item is behind the first ten of twelve cards, so the figure of twelve tells what it costs."""
BUDGET_S: Final = 540.0
DEFAULTS: Final = {"new_share": 12, "order_share": 4}
ARMS: Final[dict[str, dict[str, int]]] = {
    "no places kept": {"new_share": 0, "order_share": 0},
    "places for new items": {"new_share": 12, "order_share": 0},
    "places for a fresh order": {"new_share": 0, "order_share": 4},
    "as served": DEFAULTS,
}

Found = Mapping[int, F64]
"""By depth, the NDCG of each person."""


def for_you_rows(shop: str, data_dir: Path, *, compare: bool = True) -> Iterator[dict[str, Any]]:
    """The arms, then the plain lists, by NDCG of ten and of twelve; `lead` is by how much a row is better than the list
    with no places kept. Without `compare` als is published as it begins, which is enough to tell what places cost."""
    data = described_gift_shop(data_dir) if shop == "gift" else SHOPS[CALLED[shop]](data_dir)
    data = _until_now(data)
    split = temporal_split(data.interactions, WINDOW_DAYS, WINDOW_DAYS)
    assert split is not None
    assert split.test is not None
    cases = make_cases(split.test, SEED)
    assert data.catalogue is not None
    catalogue = _since_first_sale(data.catalogue, split.test.past)
    plain: Found | None = None
    with TemporaryDirectory() as directory, live_shop(Path(directory), seed=SEED, tune_trials=0) as live:
        live.take_in(TrainingData(split.test.past, catalogue))
        live.train(BUDGET_S, families=["als"], evaluate=compare)
        yield {"name": "model", "params": live.model().params}
        for name, settings in ARMS.items():
            live.serve_with(**settings)
            found = _asked(live, cases)
            plain = found if plain is None else plain
            yield _row(name, found, plain)
    assert plain is not None
    for baseline in BASELINES:
        try:
            judged = judge_baseline(baseline(cases.fold), cases).primary[Relevance.NEW]
            yield _row(baseline.name, {DEPTHS[0]: judged}, plain)
        except RefusedError as refusal:
            yield {"name": baseline.name, "left_out": refusal.message}


def _until_now(data: TrainingData) -> TrainingData:
    """The same events, with the last weeks beginning a minute ago."""
    events = data.interactions
    split = temporal_split(events, WINDOW_DAYS, WINDOW_DAYS)
    assert split is not None
    assert split.test is not None
    later = int(time.time()) - 60 - split.test.cut_s
    return TrainingData(replace(events, ts=events.ts + later), data.catalogue)


def _since_first_sale(items: Catalogue, past: Interactions) -> Catalogue:
    """The items that have been sold, each as old as its first sale."""
    first: dict[str, int] = {}
    for item, ts in zip(past.items.tolist(), past.ts.tolist(), strict=True):
        first.setdefault(past.item_ids[item], ts)
    rows = [row for row, item_id in enumerate(items.item_ids) if item_id in first]
    sold = take(items, rows)
    return replace(sold, created_at=np.array([first[item_id] for item_id in sold.item_ids], np.int64))


def _asked(live: LiveShop, cases: Cases) -> Found:
    """By depth, (people,) NDCG of the people who bought something new, in the order of the cases."""
    relevant = cases.relevant(Relevance.NEW)
    counts = np.diff(relevant.indptr).astype(np.int32)
    people = rows_of(cases.fold.past.user_keys, cases.user_keys)
    code_of = {item_id: code for code, item_id in enumerate(cases.fold.past.item_ids)}
    concerned = np.flatnonzero(counts)
    hits = np.zeros((len(concerned), CARDS), dtype=np.bool_)
    for place, row in enumerate(concerned.tolist()):
        wanted = set(relevant.indices[relevant.indptr[row] : relevant.indptr[row + 1]].tolist())
        shown = live.recommended(int(people[row]), n=CARDS, kind="for-you")
        hits[place, : len(shown)] = [code_of.get(item_id) in wanted for item_id in shown]
    return {depth: metrics.ndcg_at_k(hits, counts[concerned], depth) for depth in DEPTHS}


def _row(name: str, found: Found, plain: Found) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name}
    for depth, values in found.items():
        low, high = paired_interval(values, plain[depth], SEED)
        lead = {"mean": float((values - plain[depth]).mean()), "low": low, "high": high}
        row[f"ndcg@{depth}"] = {"mean": float(values.mean()), "people": len(values), "lead": lead}
    return row


def line_of(row: dict[str, Any]) -> str:
    if not any(f"ndcg@{depth}" in row for depth in DEPTHS):
        return f"{row['name']:28}{row.get('left_out') or row['params']}"
    cells = []
    for depth in DEPTHS:
        if found := row.get(f"ndcg@{depth}"):
            lead = found["lead"]
            cells.append(f"{found['mean']:.4f} {lead['mean']:+.4f} ({lead['low']:+.4f} to {lead['high']:+.4f})")
    return f"{row['name']:28}{'   '.join(cells)}"
