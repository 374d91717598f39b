"""The store as models and lists learn from it: who counts as a person there, and who must be behind a pair."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.config import Settings
from common.schemas.documents import StoreDocument
from common.schemas.pairs import PairRule
from common.store.segments.reader import Reader, open_store
from common.usecases.shared.context import Context


def pair_rule(settings: Settings) -> PairRule:
    """Who must be behind a pair of items, everywhere."""
    return PairRule(settings.min_pair_people, settings.guest_orders_count)


@contextmanager
def open_for_learning(ctx: Context, document: StoreDocument | None, work: Path) -> Iterator[Reader]:
    """As `open_store`. Where the shop wants it, a customer id that stands for many people is nobody's here."""
    with open_store(document, ctx.path_of, work) as reader:
        settings = ctx.settings
        crowds = reader.crowds(settings.crowd_share) if settings.crowds_are_nobody else ()
        yield reader.without([crowd.key for crowd in crowds])
