"""The served bundle: layers that are written one by one and opened together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from common.errors import CorruptError
from common.ids import UserKey
from common.schemas.data import EVENT_TYPES, F32, I32, TRENDING, Weighting
from common.schemas.documents import Bundle, DueSettings, FileRef
from common.schemas.links import Place
from common.serving.encoders import ENCODERS, IMPERSONAL, prepare
from common.serving.index import FLAT_MAX
from common.serving.items import Items
from common.serving.layer import LINKS_PREFIX, Layer, open_layer
from common.serving.layer_writer import write_layer
from common.serving.linked import LinkedItems
from common.serving.people import Person
from common.serving.selection import Selection, Selections

MANY_NEWER: Final = FLAT_MAX
"""Most newer items. Comparing a person with more of them would take longer than the search that precomputed answers
save."""


@dataclass(frozen=True, eq=False)
class StillValid:
    """Which precomputed answers are still valid under the deltas.

    unchanged: one byte for each item number, 1 if the item could be shown in the base, still may be, and has the same
    vector
    newer: (m, dim) float32, the vectors of all other items that may be shown

    With more than `MANY_NEWER` newer items, no item counts as unchanged.
    """

    unchanged: bytes
    newer: F32

    @classmethod
    def of(cls, items: Items, available: Selection) -> StillValid:
        """From the items of all layers; `available` are the items that may be shown without a filter."""
        base = items.layers[0]
        allowed = np.zeros(items.n, np.bool_)
        allowed[available.all_items()] = True
        same_as_base = np.zeros(items.n, np.bool_)
        same_as_base[: base.info.n_items] = base.available
        redefined = items.redefined()
        of_base = redefined[redefined < base.info.n_items]
        same_as_base[of_base] &= (items.vectors(of_base) == base.item_vectors[of_base]).all(axis=1)
        newer = np.flatnonzero(allowed & ~same_as_base).astype(np.int32)
        if len(newer) > MANY_NEWER:
            return cls(bytes(items.n), np.empty((0, items.dim), np.float32))
        return cls((allowed & same_as_base).tobytes(), items.vectors(newer))


class FewKnow:
    """The new items that few people know: item_nos (m,) int32, newest first, and their vectors (m, dim) float32."""

    def __init__(self, items: Items, item_nos: I32) -> None:
        self._items = items
        self.item_nos = item_nos

    @cached_property
    def vectors(self) -> F32:
        return self._items.vectors(self.item_nos)


__all__ = ["ServedBundle", "open_bundle", "write_layer"]

_NOTHING: Final = np.empty(0, np.int32)


def open_bundle(bundle: Bundle, path_of: Callable[[FileRef], Path]) -> ServedBundle:
    """The bundle with every layer memory-mapped.

    `path_of` gives the local path of a file. Raises `CorruptError` for layers that are damaged, of another format, or
    do not fit together.
    """
    layers = tuple(open_layer(ref, path_of) for ref in bundle.layers)
    if not layers or [layer.info.kind for layer in layers] != ["base"] + ["delta"] * (len(layers) - 1):
        raise CorruptError(f"bundle {bundle.bundle_id} is not one base and its deltas")
    if any(layer.info.dim != bundle.model.dim for layer in layers):
        raise CorruptError(f"bundle {bundle.bundle_id} has a layer that is not {bundle.model.dim} wide")
    if bundle.model.encoder not in ENCODERS:
        raise CorruptError(f"bundle {bundle.bundle_id} needs encoder {bundle.model.encoder}, unknown to this release")
    served = ServedBundle(bundle, layers)
    _check_links(served)
    return served


def _check_links(served: ServedBundle) -> None:
    bundle = served.document
    for ref, layer in zip(bundle.layers, served.items.layers, strict=True):
        for place, links in layer.links.items():
            problem = links.problem(served.items.n)
            if problem:
                raise CorruptError(f"{LINKS_PREFIX}{place} of layer {ref.layer_id}: {problem}")
    missing = sorted(bundle.beside.keys() - served.items.layers[0].links.keys())
    if missing:
        raise CorruptError(f"bundle {bundle.bundle_id} has a model for {', '.join(missing)}, but no links of it")


class ServedBundle:
    """One version of everything that is served.

    `opening` tells it from another opening of the same version.

    It is read-only, so requests that run while it is replaced keep their version. Where several layers describe an
    item, a person or a list, the newest layer counts.
    """

    def __init__(self, document: Bundle, layers: tuple[Layer, ...]) -> None:
        self.document = document
        self.opening = object()
        self.items = Items(layers)
        self.selections = Selections(self.items)
        self.still_valid = StillValid.of(self.items, self.selections.available)
        weighting = Weighting.model_validate(document.model.params.get("weighting", {}))
        self.event_weights = dict(zip(EVENT_TYPES, weighting.event_weights().tolist(), strict=True))
        self.personal = document.model.encoder not in IMPERSONAL
        self.boost = document.model.repeats.boost if document.model.repeats else 0.0
        self.due = document.model.due or DueSettings()
        self.first_lists = document.model.first_lists
        self._people = [layer.people for layer in reversed(layers)]
        self._newest_first = layers[::-1]
        self._encode = ENCODERS[document.model.encoder]
        # The trend column is left out of `influence`: it is the same for everybody, whatever a person did.
        self._width = document.model.dim - document.model.encoder.startswith(TRENDING)
        self._arrays = prepare(layers[0].encoder)
        inverse = self._arrays.get("gram_inverse")
        self._metric = None if inverse is None else inverse.astype(np.float32)
        self._linked = {
            Place(place): LinkedItems([layer.links.get(Place(place)) for layer in self._newest_first], model)
            for place, model in document.beside.items()
        }
        self.popular = self._list("popular")
        self.newest = self._list("newest")
        self.on_sale = self._list("on_sale")
        self.few_know = FewKnow(self.items, self._list("few_know"))

    def find_person(self, key: UserKey) -> Person | None:
        """The person's row in the newest layer that has one."""
        for people in self._people:
            person = people.find(key)
            if person is not None:
                return person
        return None

    def encode(self, item_nos: I32, weights: F32) -> F32:
        """The (dim,) float32 query vector of items, oldest first; weights as `event_weights` gives them."""
        return self._encode(self.items.vectors(item_nos), weights, self._arrays, self.document.model.encoder_params)

    def influence(self, item_nos: I32, causes: I32) -> F32:
        """How much an event with each cause adds to each item's score, to first order; (len(item_nos), len(causes))
        float32."""
        vectors = self.items.vectors(item_nos)[:, : self._width]
        if self._metric is not None:
            vectors = vectors.dot(self._metric)
        influence: F32 = vectors.dot(self.items.vectors(causes)[:, : self._width].T)
        return influence

    def bought_together(self, item_no: int) -> I32:
        """Item numbers, best first; some may no longer be allowed."""
        for layer in self._newest_first:
            lists = layer.bought_together
            span = None if lists is None else lists.span(item_no)
            if lists is not None and span is not None:
                return lists.items[span]
        return _NOTHING

    def linked(self, place: Place) -> LinkedItems | None:
        """The links that answer a place; None where the model answers it."""
        return self._linked.get(place)

    def popular_in(self, category: str) -> I32:
        """Item numbers of a category, best first; some may no longer be allowed."""
        for layer in self._newest_first:
            if layer.popular_by_category is not None:
                return layer.popular_by_category.get(category, _NOTHING)
        return _NOTHING

    def _list(self, name: str) -> I32:
        lists = (getattr(layer, name) for layer in self._newest_first)
        return next((listed for listed in lists if listed is not None), _NOTHING)
