"""Exact accounting of a shop: what is stored, what is answered, and what lies in the bucket for nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from common.serving.filters import AVAILABLE
from common.usecases.recommend.service import Query, RecommendService
from common.usecases.shared.context import Context
from common.usecases.shared.garbage import MIN_AGE, collect_garbage
from common.usecases.shared.manifests import read_served
from tests.erika import ERIKA, GOODS, OTHERS
from tests.later import later
from tests.store.shop import keys_under, rows_of

PEOPLE = (*OTHERS, ERIKA, "new one", "new two")
EVERYTHING = len(GOODS) + 8
KEPT = ("runs/", "last-runs/", "quarantine/", "erasures/receipts/")
"""Prefixes whose objects are for people, and stay for a time that is set."""

Row = tuple[str | None, str, int, float, str]


@dataclass(frozen=True)
class Books:
    """What a shop comes to: stored events, the answer to every question, and the files that wait or were refused."""

    rows: list[Row]
    answers: dict[str, list[Any]]
    uploads: list[str]


def books(ctx: Context) -> Books:
    uploads = [key for prefix in ("incoming/", "erasures/requests/", "quarantine/") for key in keys_under(ctx, prefix)]
    return Books(rows_of(ctx, PEOPLE), answers(ctx), uploads)


def answers(ctx: Context) -> dict[str, list[Any]]:
    """By question, the items of the answer with everything that is said of them. Empty where nothing is served."""
    service = RecommendService(ctx)
    service.watch.refresh()
    if service.watch.current is None and not service.watch.nothing_published:
        # As recommend does each second. Something is published, so that nothing to serve needs a reason.
        service.watch.refresh()
        assert service.watch.current is not None, service.watch.refusal
    if service.watch.current is None:
        return {}
    asked = Query(n=EVERYTHING, wanted=AVAILABLE)
    found = {"popular": service.popular(asked)}
    for person in PEOPLE:
        found[f"for {person}"] = service.recommend(asked._replace(user_id=person))
    for item in GOODS:
        found[f"similar to {item}"] = service.similar(item, asked)
        found[f"together with {item}"] = service.bought_together(item, asked)
    return {question: json.loads(answer.body)["items"] for question, answer in found.items()}


def orphans(ctx: Context) -> list[str]:
    """What the sweep of the day after tomorrow leaves, and no document names."""
    collect_garbage(later(ctx, 2 * MIN_AGE + timedelta(hours=1)))
    named = _named(ctx)
    prefix = ctx.keys.prefix
    return [key for key in keys_under(ctx, "") if key not in named and not key.removeprefix(prefix).startswith(KEPT)]


def _named(ctx: Context) -> set[str]:
    keys = ctx.keys
    named = {keys.store_current, keys.serving_current, keys.key_check, keys.conditional_put_proof}
    stored = ctx.store_file.read().document
    if stored:
        named |= {segment.file.key for segment in stored.segments}
        named |= {stored.erased.key} if stored.erased else set()
    served = read_served(ctx)
    if served is None:
        return named
    document, history = served
    bundles = [document.bundle, *(bundle for _, bundle in history.readable)]
    named |= {ref.key for bundle in bundles for layer in bundle.layers for ref in layer.files.values()}
    named |= {ref.key for ref in document.history}
    versions = {bundle.model.version for bundle in bundles}
    return named | {
        key for key in keys_under(ctx, "models/") if key.removeprefix(keys.models).split("/")[0] in versions
    }
