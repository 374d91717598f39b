"""What stands first in the kinds that lead from items to others, as a night decides it: in each by its own measure.

Each kind may be filled from several lists: links, what was bought together, similar items, the selected model. On the
test window they are held against the one that stands first as declared. Another takes its place only if it is clearly
better, and not clearly worse at what is of another category. That holds back nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from common.config import Settings
from common.errors import RefusedError
from common.evaluation.bootstrap import LEVEL, interval, paired_interval, resampled_means
from common.evaluation.judge import PRIMARY
from common.evaluation.kind_questions import KINDS, Asked, asked_of
from common.evaluation.kinds import KindJudgement, judge_kind, lists_of, same_list
from common.evaluation.split import Fold, temporal_split
from common.models.base import TrainingData
from common.models.similar.paths import leaf_groups
from common.schemas.data import I32, I64, Catalogue
from common.schemas.kind import Kind
from common.serving.kinds import DECLARATIONS, Listing
from common.usecases.shared.learning import pair_rule
from common.usecases.train.contenders import Contenders
from common.usecases.train.links import LinksOfNight
from common.usecases.train.model_selection import TrainPlan
from common.usecases.train.selected_model import SelectedModel
from common.usecases.train.similar import SimilarOfNight

BUDGET_SHARE: Final = 0.05
"""Share of a night's time that the judgement may take, where the selected model was fitted already for the others."""

FEWEST: Final = 20
"""Visits, baskets or people below which nothing is judged: an interval of fewer means nothing."""

POPULAR: Final = "popular"
LAST_ITEM: Final = "most often with the last item"
"""What every list is held against, and what is never served."""

Json = dict[str, Any]


@dataclass(frozen=True)
class KindsOfNight:
    """By kind, the list that stands first where it is not the declared one; the figures by kind; notices."""

    first: Mapping[str, str] = field(default_factory=dict)
    figures: dict[str, Json] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


def kinds_budget_s(plan: TrainPlan) -> float:
    """Seconds of the night that are kept for the judgement; 0 where nothing is compared."""
    return BUDGET_SHARE * max(0.0, plan.deadline - time.monotonic()) if plan.evaluate else 0.0


def kinds_of_night(
    data: TrainingData,
    selected: SelectedModel,
    settings: Settings,
    seconds: float,
    links: LinksOfNight,
    similar: SimilarOfNight,
    popular_days: float,
    served: Mapping[str, str] | None = None,
) -> KindsOfNight:
    """The decision for each kind. A kind that cannot be judged keeps what is `served`."""
    usual = dict(served or {})
    split = temporal_split(data.interactions, settings.validation_days, settings.test_days) if seconds else None
    if split is None:
        return KindsOfNight(usual)
    fold = split.test or split.validation
    known = Contenders(
        fold=fold,
        selected=selected,
        links={place: artifact for place, artifact in links.judged.items() if place in links.beside},
        shelf=similar.shelf,
        blend=similar.blend,
        categories=categories_before(data.catalogue, fold),
        rule=pair_rule(settings),
        popular_days=popular_days,
        deadline=time.monotonic() + seconds,
    )
    first: dict[str, str] = {}
    figures: dict[str, Json] = {}
    notices: list[str] = []
    for kind in KINDS:
        try:
            found = judged_figures(kind, known, settings.seed)
        except RefusedError as refusal:
            notices.append(f"{kind} was not judged: {refusal.message}")
            found = None
        if found:
            figures[kind.value] = found
        if not found:
            first |= {kind.value: usual[kind]} if kind in usual else {}
        elif found["first"] != found["usual"]:
            first[kind.value] = found["first"]
    return KindsOfNight(first, figures, tuple(notices))


def categories_before(catalogue: Catalogue | None, fold: Fold) -> I64:
    """(n_items,) int64 by item code: leaf categories, -1 without one."""
    if catalogue is None:
        return np.full(fold.past.n_items, -1, dtype=np.int64)
    named = dict(zip(catalogue.item_ids, catalogue.categories, strict=True))
    return leaf_groups([named.get(item_id, "") for item_id in fold.past.item_ids])


More = Callable[[Asked], Mapping[str, I32]]
"""Lists of other methods by name, as `lists_of` gives them."""


def _no_more(_: Asked) -> Mapping[str, I32]:
    return {}


def judged_figures(kind: Kind, known: Contenders, seed: int, more: More = _no_more) -> Json | None:
    """The figures of a kind for metrics.json; None where the window asks too little of it, or the shop has no list for
    it. `more` are never served."""
    asked = asked_of(kind, known.fold, known.categories, seed)
    return figures_of(asked, known, seed, more) if asked and asked.n_owners >= FEWEST else None


def figures_of(asked: Asked, known: Contenders, seed: int, more: More = _no_more) -> Json | None:
    """The figures of the questions of a kind.

    In the table the list that is to stand first is the first row; `lead` is by how much it is better."""
    declared = DECLARATIONS[asked.kind]
    found = {listing: known.lists(listing, asked) for listing in declared.contenders}
    judged = {listing: judge_kind(lists, asked) for listing, lists in found.items() if lists is not None}
    usual = next((listing for listing in declared.lists if listing in judged), None)
    if usual is None:
        return None
    first = _first(judged, usual, seed)
    rows = {first.value: judged[first]}
    rows |= {listing.value: judgement for listing, judgement in judged.items() if listing is not first}
    rows |= _yardsticks(known, asked)
    rows |= {name: judge_kind(lists, asked) for name, lists in more(asked).items()}
    return {
        "judged_by": PRIMARY,
        "level": LEVEL,
        "first": first.value,
        "usual": usual.value,
        "asked": asked.n_owners,
        "questions": len(asked),
        "table": [_row(name, row, judged[first], seed) for name, row in rows.items()],
    }


def _first(judged: Mapping[Listing, KindJudgement], usual: Listing, seed: int) -> Listing:
    """The best of those that are clearly better than the usual first list; that one, if none is."""
    by_score = sorted(judged, key=lambda listing: -judged[listing].metrics[PRIMARY])
    return next((listing for listing in by_score if _is_better(judged[listing], judged[usual], seed)), usual)


def _is_better(ours: KindJudgement, theirs: KindJudgement, seed: int) -> bool:
    if paired_interval(ours.primary, theirs.primary, seed)[0] <= 0:
        return False
    counted = ~np.isnan(ours.others)
    return not counted.any() or paired_interval(ours.others[counted], theirs.others[counted], seed)[1] >= 0


def _yardsticks(known: Contenders, asked: Asked) -> dict[str, KindJudgement]:
    found = {POPULAR: judge_kind(same_list(known.popular, asked), asked)}
    if asked.kind in (Kind.SESSION, Kind.BECAUSE_YOU_VIEWED):
        seen = known.last_item()
        if seen is not None:
            found[LAST_ITEM] = judge_kind(lists_of(seen, asked, None, known.watch), asked)
    return found


def _row(name: str, judged: KindJudgement, of_first: KindJudgement, seed: int) -> Json:
    spread = interval(resampled_means(judged.primary[:, None], seed)[:, 0])
    lead = paired_interval(of_first.primary, judged.primary, seed)
    return {
        "name": name,
        "metrics": judged.metrics,
        PRIMARY: _spread(judged.metrics[PRIMARY], spread),
        "lead": _spread(float((of_first.primary - judged.primary).mean()), lead),
    }


def _spread(mean: float, ends: tuple[float, float]) -> Json:
    return {"mean": mean, "low": ends[0], "high": ends[1]}


def told_of_kinds(night: KindsOfNight) -> Sequence[str]:
    """What the run says of the kinds: where another list stands first than usual, and what was not judged."""
    lines = []
    for kind, figures in night.figures.items():
        if figures["first"] != figures["usual"]:
            scores = {row["name"]: f"{row['metrics'][PRIMARY]:.4f}" for row in figures["table"]}
            first, usual = (figures[name] for name in ("first", "usual"))
            lines.append(f"{kind} begins with {first}, {PRIMARY} {scores[first]}; {usual} has {scores[usual]}")
    return (*lines, *night.notices)
