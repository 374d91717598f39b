"""The delta layer: the changes that new batches of the store make in what is served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from common.models.links.config import CooccurrenceConfig
from common.models.popularity import PopularCounts, counts_of, window_start
from common.models.similar.traits import Traits
from common.schemas.data import (
    DAY_S,
    F32,
    I32,
    I64,
    Bools,
    Catalogue,
    Interactions,
    ItemLists,
    LayerContent,
    UserRows,
    Weighting,
)
from common.schemas.documents import ModelInfo, SimilarBlend
from common.schemas.links import ItemLinks, Place
from common.schemas.pairs import PairRule
from common.serving.items import Items
from common.serving.similar import similar_items
from common.store.segments.co_purchases import CoPurchases
from common.store.segments.interactions import unique_keys
from common.store.segments.reader import Reader
from common.usecases.publish.layers.cards import cards_of
from common.usecases.publish.layers.described import described
from common.usecases.publish.layers.due import due_of, rhythms_of_base
from common.usecases.publish.layers.extras import BaseArrays
from common.usecases.publish.layers.histories import histories_of
from common.usecases.publish.layers.items import aligned, on_sale_rows, take
from common.usecases.publish.layers.links import StoredLinks, steps_since
from common.usecases.publish.layers.people import PersonEncoder, user_rows
from common.usecases.publish.layers.rankings import NEW_DAYS, RankedItems
from common.usecases.publish.layers.similar import SimilarBase, lists_of_delta
from common.usecases.publish.layers.together import StoredCoPurchases


class DeltaItems:
    """The items of a delta with their numbers and vectors.

    A known item keeps its number, a new one gets the next free number.

    numbers: (n,) int32, ascending
    catalogue, vectors: (n, dim) float32, aligned with `numbers`
    n_all: number of items in all layers, the delta included
    """

    def __init__(self, below: Items, extras: BaseArrays, catalogue: Catalogue) -> None:
        self.below = below
        self.extras = extras
        numbers = below.find_all(catalogue.item_ids)
        new = np.flatnonzero(numbers < 0)
        numbers[new] = below.n + np.arange(len(new))
        self._numbers = dict(zip(catalogue.item_ids, numbers.tolist(), strict=True))
        order = np.argsort(numbers)
        self.n_all = below.n + len(new)
        self.numbers: I32 = numbers[order]
        self.catalogue = take(catalogue, order)
        self.vectors = self._own_vectors()

    def _own_vectors(self) -> F32:
        """(n, dim) float32. A trained item keeps its vector, even if the shop describes it differently now."""
        vectors = self.extras.groups.vectors_of(self.catalogue)
        trained = self.trained()
        vectors[trained] = self.below.vectors(self.numbers[trained])
        return vectors

    def trained(self) -> Bools:
        """(n,) bool: the items of the delta whose vector comes from training."""
        return self.extras.trained_of(self.numbers)

    def numbers_of(self, item_ids: Sequence[str]) -> I32:
        """(m,) int32: the numbers of items; each must be in one of the layers or in the delta.

        An id is looked up once: the same items are asked for by everything that is made of the batches."""
        others = [item_id for item_id in item_ids if item_id not in self._numbers]
        found = self.below.find_all(others)
        if (found < 0).any():
            raise KeyError(others[int(np.argmin(found))])
        self._numbers.update(zip(others, found.tolist(), strict=True))
        return np.fromiter(map(self._numbers.__getitem__, item_ids), np.int32, len(item_ids))

    def vectors_of(self, numbers: I32) -> F32:
        """(m, dim) float32: the vectors of the item numbers (m,)."""
        own = np.isin(numbers, self.numbers)
        vectors = np.empty((len(numbers), self.below.dim), dtype=np.float32)
        vectors[own] = self.vectors[np.searchsorted(self.numbers, numbers[own])]
        vectors[~own] = self.below.vectors(numbers[~own])
        return vectors


@dataclass(frozen=True)
class DeltaData:
    """What batches add to the layers below.

    catalogue: items that are new or described differently, as they are now
    people: all events, old ones included, of people with events in the batches
    sold: the events of all batches since the base
    before: the events that the base covers of the people in `sold`, within the window of what is popular
    co_purchases: the pairs in `sold`
    touched: the items of the new events
    """

    catalogue: Catalogue
    people: Interactions
    sold: Interactions
    before: Interactions
    co_purchases: CoPurchases
    touched: tuple[str, ...]


def read_news(
    reader: Reader, below: Items, popular_days: float, since_seq: int, base_seq: int, has_catalogue: bool, guests: bool
) -> DeltaData:
    """What the batches after `since_seq` add; `base_seq` is the newest batch that the base covers; `guests` as
    in `PairRule`."""
    changes = reader.changed_since(since_seq)
    numbers = below.find_all(changes.event_item_ids)
    unknown = [item_id for item_id, number in zip(changes.event_item_ids, numbers, strict=True) if number < 0]
    item_ids = tuple(sorted({*changes.item_ids, *unknown}))
    sold = reader.interactions(since_seq=base_seq)
    window_s = window_start(BaseArrays.of(below.layers[0].encoder).now_s, popular_days)
    return DeltaData(
        catalogue=aligned(reader.catalogue(item_ids), item_ids, unlisted_available=not has_catalogue),
        people=reader.interactions(user_keys=changes.user_keys),
        sold=sold,
        before=reader.interactions(user_keys=sold.user_keys, since_s=window_s, until_seq=base_seq),
        co_purchases=reader.co_purchases(PairRule(1, guests), since_seq=base_seq),
        touched=changes.event_item_ids,
    )


def delta_content(
    below: Items,
    model: ModelInfo,
    news: DeltaData,
    rule: PairRule,
    threads: int,
    beside: Mapping[str, ModelInfo] | None = None,
) -> LayerContent:
    """The layer that adds `news` to the layers `below`; `beside` as in `Bundle`.

    Recency is counted from the time of the base, as in the base itself. So a history has the same weights in every
    layer, and fits item vectors that were learned at that time.
    """
    base = below.layers[0]
    overlay = DeltaItems(below, BaseArrays.of(base.encoder), news.catalogue)
    encoder = PersonEncoder(model.encoder, model.encoder_params, base.encoder)
    shelf = _shelf(overlay, news, model.popular_days)
    return LayerContent(
        item_nos=overlay.numbers,
        item_vectors=overlay.vectors,
        cards=cards_of(overlay.catalogue),
        catalogue=overlay.catalogue,
        users=_people(overlay, model, encoder, news.people, shelf.categories),
        similar=_similar(
            overlay, model.similar, overlay.below.dim - encoder.n_biases(base.item_vectors), shelf, threads
        ),
        popular=shelf.popular(),
        newest=shelf.newest(),
        on_sale=_on_sale(overlay, shelf),
        few_know=shelf.few_know(_new_since(overlay)),
        popular_by_category=shelf.popular_by_category(),
        bought_together=_together(overlay, news, shelf, rule),
        links=_links(overlay, beside, news, rule),
    )


def _people(
    overlay: DeltaItems, model: ModelInfo, encoder: PersonEncoder, data: Interactions, categories: I32
) -> UserRows:
    """Everybody with events in the batches, also people whose history is empty now, which hides the older one.

    categories: (n_all,) int32, codes of all items"""
    weighting = Weighting.model_validate(model.params.get("weighting", {}))
    half_life_days = model.repeats.half_life_days if model.repeats else None
    numbers = overlay.numbers_of(data.item_ids)
    of_codes = overlay.vectors_of(numbers)
    now_s = overlay.extras.now_s
    histories = histories_of(data, weighting, now_s, half_life_days)
    rhythms = rhythms_of_base(overlay.below.layers[0].encoder, overlay.n_all)
    kept = data.n_users if overlay.below.layers[0].info.n_user_vectors else 0
    return user_rows(
        keys=data.user_keys,
        histories=histories,
        due=due_of(data, histories, rhythms.expected(categories).at(numbers), model.due, now_s),
        item_nos=numbers,
        query=lambda codes, weights: encoder.query(of_codes[codes], weights),
        vectors=np.full((kept, overlay.below.dim), np.nan, dtype=np.float32),
    )


def _shelf(overlay: DeltaItems, news: DeltaData, popular_days: float) -> RankedItems:
    available = np.zeros(overlay.n_all, dtype=np.bool_)
    categories = np.zeros(overlay.n_all, dtype=np.int32)
    codes: dict[str, int] = {}
    for layer in overlay.below.layers:
        of_layer = [codes.setdefault(name, len(codes)) for name in layer.info.categories]
        available[layer.item_nos] = layer.available
        categories[layer.item_nos] = np.array(of_layer, dtype=np.int32)[layer.category_codes]
    available[overlay.numbers] = overlay.catalogue.available
    categories[overlay.numbers] = [codes.setdefault(name, len(codes)) for name in overlay.catalogue.categories]
    scores = _counts(overlay, news, popular_days).scores()
    return RankedItems(scores, available, _created_at(overlay), categories, tuple(codes))


def _counts(overlay: DeltaItems, news: DeltaData, popular_days: float) -> PopularCounts:
    """The counts of the base with what came since: a person of both counts once, since the window of the base began."""
    base, now_s = overlay.extras.counts, overlay.extras.now_s
    base = base.placed(np.arange(len(base.people), dtype=np.int32), overlay.n_all)
    before = _with_codes_of(news.sold, news.before)
    with_before = counts_of(news.sold.plus(before), now_s, popular_days).people
    new_people = with_before - counts_of(before, now_s, popular_days).people
    since = replace(counts_of(news.sold, now_s, popular_days), people=new_people)
    return base.plus(since.placed(overlay.numbers_of(news.sold.item_ids), overlay.n_all))


def _with_codes_of(sold: Interactions, before: Interactions) -> Interactions:
    """The events of `before` with items of `sold`, by the codes that `sold` has; it has all people of `before`."""
    places = {item_id: code for code, item_id in enumerate(sold.item_ids)}
    item_codes = np.array([places.get(item_id, -1) for item_id in before.item_ids], np.int32)
    kept = before.where(item_codes[before.items] >= 0)
    _, user_codes = unique_keys(np.concatenate([sold.user_keys, before.user_keys]))
    users = user_codes[sold.n_users :][kept.users]
    return replace(kept, user_keys=sold.user_keys, item_ids=sold.item_ids, users=users, items=item_codes[kept.items])


def _created_at(overlay: DeltaItems) -> I64:
    """(n_all,) int64: items that came after the base are newer than all of its items, in the order in which they
    came."""
    of_base = overlay.extras.created_at
    later = np.arange(1, overlay.n_all - len(of_base) + 1)
    return np.concatenate([of_base, of_base.max(initial=0) + later])


def _on_sale(overlay: DeltaItems, shelf: RankedItems) -> I32 | None:
    """What was on sale and is not described anew, and what is by the new descriptions.

    None where the base is from before there was such a list: it comes with the next training."""
    below = next((layer.on_sale for layer in reversed(overlay.below.layers) if layer.on_sale is not None), None)
    if below is None:
        return None
    kept = below[~np.isin(below, overlay.numbers)]
    return shelf.on_sale(np.concatenate([kept, overlay.numbers[on_sale_rows(overlay.catalogue)]]))


def _new_since(overlay: DeltaItems) -> int:
    """The time in epoch seconds since which items are new: all that came after the base are."""
    return min(overlay.extras.now_s - NEW_DAYS * DAY_S, int(overlay.extras.created_at.max(initial=0)) + 1)


def _together(overlay: DeltaItems, news: DeltaData, shelf: RankedItems, rule: PairRule) -> ItemLists | None:
    kept = StoredCoPurchases.of(overlay.below.layers[0])
    if kept is None:
        return None
    pairs = news.co_purchases
    numbers, touched = overlay.numbers_of(pairs.item_ids), overlay.numbers_of(news.touched)
    return kept.updated(pairs, numbers, touched, shelf.named_categories(), rule.people)


def _links(
    overlay: DeltaItems, beside: Mapping[str, ModelInfo] | None, news: DeltaData, rule: PairRule
) -> dict[str, ItemLinks]:
    """The rows of the items in the batches, for each place that links answer."""
    base, made = overlay.below.layers[0], {}
    for place, model in (beside or {}).items():
        config = CooccurrenceConfig.model_validate(model.params)
        stored = StoredLinks.of_base(base.links[Place(place)], base.encoder, Place(place))
        since = steps_since(news.sold, config, overlay.extras.now_s, overlay.numbers_of(news.sold.item_ids), rule)
        touched = overlay.numbers_of(news.touched)
        made[place] = stored.updated(since, config, touched, overlay.n_all, rule.people)
    return made


def _similar(overlay: DeltaItems, blend: SimilarBlend | None, width: int, shelf: RankedItems, threads: int) -> I32:
    """Trained items keep their neighbours; the others get those of what is known of them."""
    base = overlay.below.layers[0]
    similar = np.full((len(overlay.numbers), base.info.similar_k), -1, dtype=np.int32)
    trained = overlay.trained()
    for place in np.flatnonzero(trained).tolist():
        listed = overlay.below.similar(int(overlay.numbers[place]))
        similar[place, : len(listed)] = listed
    untrained = np.flatnonzero(~trained)
    if not len(untrained):
        return similar
    among = np.flatnonzero(overlay.extras.neighbours & shelf.available[: base.info.n_items])
    kept = SimilarBase.stored(base.encoder)
    if blend is None or kept is None:
        directions = np.concatenate([base.item_vectors, overlay.vectors[untrained]])[:, :width]
        rows = np.arange(base.info.n_items, len(directions), dtype=np.int32)
        similar[untrained] = similar_items(directions, base.info.similar_k, rows, threads, among.astype(np.int32))
        return similar
    wanted = overlay.numbers[untrained].astype(np.int64)
    lists = lists_of_delta(blend, _LayeredTraits(overlay, kept, width), shelf, wanted, among, threads)
    depth = min(lists.shape[1], base.info.similar_k)
    similar[untrained, :depth] = lists[:, :depth]
    return similar


class _LayeredTraits:
    """The traits of all items: of those that only the base describes as it has stored them, of the others anew."""

    def __init__(self, overlay: DeltaItems, kept: SimilarBase, width: int) -> None:
        self._overlay = overlay
        self._kept = kept
        self._width = width
        self._own = self._described(overlay.numbers, overlay.catalogue)
        # Items of earlier deltas are few, or most of the catalogue after a feed of it.
        self._earlier = np.setdiff1d(overlay.below.redefined(), overlay.numbers, assume_unique=True)

    @cached_property
    def _of_earlier(self) -> Traits:
        return self._described(self._earlier, described(self._overlay.below, self._earlier))

    def at(self, numbers: I64) -> Traits:
        own, earlier = np.isin(numbers, self._overlay.numbers), np.isin(numbers, self._earlier)
        parts = [self._kept.traits.at(numbers[~own & ~earlier])]
        places = [np.flatnonzero(~own & ~earlier)]
        if own.any():
            parts.append(self._own.at(np.searchsorted(self._overlay.numbers, numbers[own])))
            places.append(np.flatnonzero(own))
        if earlier.any():
            parts.append(self._of_earlier.at(np.searchsorted(self._earlier, numbers[earlier])))
            places.append(np.flatnonzero(earlier))
        return Traits.joined(parts).at(np.argsort(np.concatenate(places)))

    def _described(self, numbers: I32, catalogue: Catalogue) -> Traits:
        directions = self._overlay.extras.groups.directions_of(catalogue)[:, : self._width]
        traits = Traits.of(directions, catalogue, self._kept.titles)
        trained = np.flatnonzero(self._overlay.extras.trained_of(numbers))
        traits.directions[trained] = self._kept.traits.directions[numbers[trained]]
        return traits
