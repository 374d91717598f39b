"""A shop of any size, with vectors made by number and not by training: as a bundle under build/bench/, made once.

Items lie around the centres of their aisles and differ in length by orders of magnitude, as those of matrix
factorisation do; a person's vector lies between the centres of three aisles, and so does what they have bought.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from common.bucket.keys import Keys
from common.bucket.port import Bucket
from common.ids import Pseudonymizer, new_id, split_user_key
from common.schemas.data import F32, I32, I64, Catalogue, DueColumns, LayerContent, UserRows
from common.schemas.documents import Bundle, FileRef, ServingDocument
from common.usecases.publish.layers.cards import cards_of
from tests.bench.harness import ROOT
from tests.bundles import NOW, describe, model_info

DIM = 64
PSEUDONYM_KEY = "b5" * 32
_SEED = 20261124
_ITEMS_PER_AISLE = 500
_AISLES_PER_PERSON = 3
_BOUGHT = 8
_POPULAR = 1_000
# Standard deviation of the logarithm of items' lengths, as ALS learns them from the completejourney data.
_LENGTHS = 2.0
_DIRECTORY = ROOT / "build" / "bench"
# What a written layer depends on besides this file.
_WRITERS = ("layer_writer", "layer", "index", "arrays", "filters", "lookup")


@dataclass(frozen=True)
class Written:
    """A bundle's document, and the directory whose files are named by the last part of their keys."""

    bundle: Bundle
    directory: Path

    @property
    def n_bytes(self) -> int:
        return sum(ref.bytes for ref in self.files)

    @property
    def files(self) -> tuple[FileRef, ...]:
        """Each once, however many names it has."""
        return tuple({ref.key: ref for layer in self.bundle.layers for ref in layer.files.values()}.values())

    def path(self, ref: FileRef) -> Path:
        return self.directory / ref.sha256

    def named(self, name: str) -> Path:
        return self.path(self.bundle.layers[0].files[name])

    def publish(self, bucket: Bucket, with_files: bool) -> None:
        """Without its files a bundle can be served by those only who have them in their cache."""
        for ref in self.files if with_files else ():
            bucket.put(ref.key, self.path(ref))
        commit_id = new_id(NOW)
        document = ServingDocument(commit_id=commit_id, commits=(commit_id,), committed_at=NOW, bundle=self.bundle)
        bucket.put(Keys().serving_current, document.model_dump_json().encode())


def large_shop(n_items: int, n_people: int) -> Written:
    """Takes a minute or more for a million of each, unless it has been made before. Older ones of that size go."""
    name = f"shop-{n_items}-{n_people}"
    directory = _DIRECTORY / f"{name}-{_fingerprint()}"
    if not (directory / "bundle.json").exists():
        for older in _DIRECTORY.glob(f"{name}-*"):
            shutil.rmtree(older)
        _write(_content(n_items, n_people), directory)
    return Written(Bundle.model_validate_json((directory / "bundle.json").read_bytes()), directory)


def user_id(person: int) -> str:
    return f"shopper-{person}"


def _fingerprint() -> str:
    sources = [Path(__file__), *(ROOT / "common" / "serving" / f"{name}.py" for name in _WRITERS)]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]


def _write(content: LayerContent, directory: Path) -> None:
    """The document comes last, so that what was interrupted is made again."""
    directory.mkdir(parents=True)
    bundle, paths = describe([content], model_info(DIM), directory)
    for key, path in paths.items():
        path.rename(directory / Path(key).name)
    (directory / "bundle.json").write_text(bundle.model_dump_json())


def _content(n_items: int, n_people: int) -> LayerContent:
    rng = np.random.default_rng(_SEED)
    centres = _normal(rng, max(n_items // _ITEMS_PER_AISLE, 2))
    aisles = np.sort(rng.integers(0, len(centres), n_items))
    lengths = np.exp(rng.normal(0, _LENGTHS, (n_items, 1))).astype(np.float32)
    item_vectors = (centres[aisles] + 0.5 * _normal(rng, n_items)) * lengths
    catalogue = _catalogue(rng, aisles)
    return LayerContent(
        item_nos=np.arange(n_items, dtype=np.int32),
        item_vectors=item_vectors,
        cards=cards_of(catalogue),
        catalogue=catalogue,
        users=_users(rng, centres, aisles, n_people),
        similar=np.full((n_items, 1), -1, np.int32),
        popular=rng.permutation(n_items)[:_POPULAR].astype(np.int32),
        newest=np.arange(min(_POPULAR, n_items), dtype=np.int32),
        popular_by_category={},
        encoder={"gram": item_vectors.T @ item_vectors + np.eye(DIM, dtype=np.float32)},
    )


def _normal(rng: np.random.Generator, n: int) -> F32:
    return rng.standard_normal((n, DIM), dtype=np.float32)


def _catalogue(rng: np.random.Generator, aisles: I64) -> Catalogue:
    n = len(aisles)
    item_ids = tuple(f"sku-{number}" for number in range(n))
    return Catalogue(
        item_ids=item_ids,
        categories=tuple(f"aisle {aisle}" for aisle in aisles.tolist()),
        brands=tuple(f"maker {number % 1_000}" for number in range(n)),
        prices=rng.integers(50, 10_000, n) / 100,
        img_urls=tuple(f"https://shop.example/images/{item_id}.webp" for item_id in item_ids),
        titles=tuple(f"Article no. {number}" for number in range(n)),
        urls=tuple(f"https://shop.example/products/{item_id}" for item_id in item_ids),
        currencies=("EUR",) * n,
        available=np.ones(n, np.bool_),
        created_at=np.zeros(n, np.int64),
        as_of=np.zeros(n, np.int64),
        extra=({},) * n,
    )


def _users(rng: np.random.Generator, centres: F32, aisles: I64, n: int) -> UserRows:
    pseudonymizer = Pseudonymizer(bytes.fromhex(PSEUDONYM_KEY))
    keys = np.array([split_user_key(pseudonymizer.user_key(user_id(person))) for person in range(n)], np.uint64)
    liked = rng.integers(0, len(centres), (n, _AISLES_PER_PERSON))
    vectors = centres[liked].sum(axis=1) + 0.5 * _normal(rng, n)
    items = _bought(rng, liked, np.searchsorted(aisles, np.arange(len(centres) + 1)).astype(np.int64))
    n_events = items.size
    return UserRows(
        keys=keys[np.lexsort((keys[:, 1], keys[:, 0]))],
        vectors=vectors,
        offsets=np.arange(n + 1, dtype=np.int64) * _BOUGHT,
        items=items.ravel(),
        weights=np.ones(n_events, np.float32),
        purchased=np.ones(n_events, np.bool_),
        repeats=np.ones(n_events, np.float32),
        latest=np.zeros(n_events, np.bool_),
        due=DueColumns.unknown(np.ones(n_events, np.float32)),
    )


def _bought(rng: np.random.Generator, liked: I64, bounds: I64) -> I32:
    """(n, _BOUGHT) int32: items of the aisles that each person likes; `bounds` are where aisles begin and end."""
    aisle = np.take_along_axis(liked, rng.integers(0, liked.shape[1], (len(liked), _BOUGHT)), 1)
    low, high = bounds[aisle], np.maximum(bounds[aisle + 1], bounds[aisle] + 1)
    items: I32 = np.minimum(rng.integers(low, high), bounds[-1] - 1).astype(np.int32)
    return items
