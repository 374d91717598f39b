"""A delta layer: what new batches of the store change in what is served."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from common.schemas.data import F32, F64, I32, I64, Bools, Catalogue, Interactions, LayerContent, UserRows, Weighting
from common.schemas.documents import ModelInfo
from common.serving.items import Items
from common.serving.similar import similar_items
from common.store.reader import Reader
from common.usecases.layers.cards import cards_of
from common.usecases.layers.extras import Extras
from common.usecases.layers.histories import histories_of
from common.usecases.layers.items import aligned, take
from common.usecases.layers.people import PersonEncoder, user_rows
from common.usecases.layers.rankings import Shelf, popularity


@dataclass(frozen=True)
class News:
    """What batches bring to the layers below.

    catalogue: the items that are new or described differently, as they are now; people: every event of the people that
    the batches touch, old ones included; sold: the events of all batches since the base.
    """

    catalogue: Catalogue
    people: Interactions
    sold: Interactions


def read_news(reader: Reader, below: Items, since_seq: int, base_seq: int, has_catalogue: bool) -> News:
    """What the batches after `since_seq` bring; `base_seq` is the newest batch that the base covers."""
    changes = reader.changed_since(since_seq)
    numbers = below.find_all(changes.event_item_ids)
    unknown = [item_id for item_id, number in zip(changes.event_item_ids, numbers, strict=True) if number < 0]
    item_ids = tuple(sorted({*changes.item_ids, *unknown}))
    return News(
        catalogue=aligned(reader.catalogue(item_ids), item_ids, unlisted_available=not has_catalogue),
        people=reader.interactions(user_keys=changes.user_keys),
        sold=reader.interactions(since_seq=base_seq),
    )


def delta_content(below: Items, model: ModelInfo, news: News, threads: int) -> LayerContent:
    """The layer that brings `news` to the layers `below`.

    Recency is counted from the moment of the base, also here: so a history weighs the same in whichever layer it is,
    and against item vectors that were learned at that moment.
    """
    return _Delta(below, model, news).content(threads)


class _Delta:
    """Item numbers, vectors and rankings with the delta on top."""

    def __init__(self, below: Items, model: ModelInfo, news: News) -> None:
        base = below.layers[0]
        self._below = below
        self._model = model
        self._news = news
        self._extras = Extras.of(base.encoder)
        self._encoder = PersonEncoder(model.encoder, model.encoder_params, base.encoder)
        self._keeps_vectors = base.info.n_user_vectors > 0
        self._biased = self._encoder.has_bias(base.item_vectors)

        numbers = below.find_all(news.catalogue.item_ids)
        new = np.flatnonzero(numbers < 0)
        numbers[new] = below.n + np.arange(len(new))
        order = np.argsort(numbers)
        self._numbers: I32 = numbers[order]
        self._catalogue = take(news.catalogue, order)
        self._new = {news.catalogue.item_ids[row]: int(numbers[row]) for row in new}
        self._n = below.n + len(new)
        self._vectors = self._item_vectors()

    def content(self, threads: int) -> LayerContent:
        shelf = self._shelf()
        return LayerContent(
            item_nos=self._numbers,
            item_vectors=self._vectors,
            cards=cards_of(self._catalogue),
            catalogue=self._catalogue,
            users=self._people(),
            similar=self._similar(shelf.available, threads),
            popular=shelf.popular(),
            newest=shelf.newest(),
            popular_by_category=shelf.popular_by_category(),
        )

    def _is_trained(self, numbers: I32) -> Bools:
        trained = np.zeros(len(numbers), dtype=np.bool_)
        of_base = numbers < len(self._extras.trained)
        trained[of_base] = self._extras.trained[numbers[of_base]]
        return trained

    def _item_vectors(self) -> F32:
        """A trained item keeps its vector, whatever the shop says of it now."""
        vectors = self._extras.groups.vectors_of(self._catalogue)
        trained = self._is_trained(self._numbers)
        vectors[trained] = self._below.vectors(self._numbers[trained])
        return vectors

    def _vectors_of(self, numbers: I32) -> F32:
        vectors = np.empty((len(numbers), self._below.dim), dtype=np.float32)
        places = np.searchsorted(self._numbers, numbers)
        places[places == len(self._numbers)] = 0
        own = self._numbers[places] == numbers if len(self._numbers) else np.zeros(len(numbers), dtype=np.bool_)
        vectors[own] = self._vectors[places[own]]
        vectors[~own] = self._below.vectors(numbers[~own])
        return vectors

    def _numbers_of(self, item_ids: Sequence[str]) -> I32:
        numbers = self._below.find_all(item_ids)
        for place in np.flatnonzero(numbers < 0).tolist():
            numbers[place] = self._new[item_ids[place]]
        return numbers

    def _people(self) -> UserRows:
        """Everybody whom the batches touch, also those of whose history nothing is left: it hides the older one."""
        data = self._news.people
        weighting = Weighting.model_validate(self._model.params.get("weighting", {}))
        histories = histories_of(data, weighting, self._extras.now_s)
        numbers = self._numbers_of(data.item_ids)
        of_codes = self._vectors_of(numbers)
        kept = data.n_users if self._keeps_vectors else 0
        return user_rows(
            keys=data.user_keys,
            histories=histories,
            item_nos=numbers,
            query=lambda codes, weights: self._encoder.query(of_codes[codes], weights),
            vectors=np.full((kept, self._below.dim), np.nan, dtype=np.float32),
        )

    def _shelf(self) -> Shelf:
        available = np.zeros(self._n, dtype=np.bool_)
        categories = np.zeros(self._n, dtype=np.int32)
        codes: dict[str, int] = {}
        for layer in self._below.layers:
            of_layer = [codes.setdefault(name, len(codes)) for name in layer.info.categories]
            available[layer.item_nos] = layer.available
            categories[layer.item_nos] = np.array(of_layer, dtype=np.int32)[layer.category_codes]
        available[self._numbers] = self._catalogue.available
        categories[self._numbers] = [codes.setdefault(name, len(codes)) for name in self._catalogue.categories]
        return Shelf(self._scores(), available, self._created_at(), categories, tuple(codes))

    def _created_at(self) -> I64:
        """What came after the base is newer than all of it, in the order in which it came."""
        of_base = self._extras.created_at
        later = np.arange(1, self._n - len(of_base) + 1)
        return np.concatenate([of_base, of_base.max(initial=0) + later])

    def _scores(self) -> F64:
        scores = np.zeros(self._n)
        scores[: len(self._extras.popularity)] = self._extras.popularity
        sold = self._news.sold
        scores[self._numbers_of(sold.item_ids)] += popularity(sold, self._extras.now_s)
        return scores

    def _similar(self, available: Bools, threads: int) -> I32:
        """Trained items keep their neighbours; the others get those of their vector."""
        depth = self._below.layers[0].info.similar_k
        similar = np.full((len(self._numbers), depth), -1, dtype=np.int32)
        trained = self._is_trained(self._numbers)
        for place in np.flatnonzero(trained).tolist():
            listed = self._below.similar(int(self._numbers[place]))
            similar[place, : len(listed)] = listed
        asked = np.flatnonzero(~trained)
        if len(asked):
            width = self._below.dim - self._biased
            base = self._below.layers[0].item_vectors
            directions = np.concatenate([base, self._vectors[asked]])[:, :width]
            rows = np.arange(len(base), len(directions), dtype=np.int32)
            among = np.flatnonzero(self._extras.neighbours & available[: len(base)]).astype(np.int32)
            similar[asked] = similar_items(directions, depth, rows, threads, among)
        return similar
