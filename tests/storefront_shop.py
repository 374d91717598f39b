"""A shop of sixty items and one known person, for tests of the storefront API."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import jwt
import numpy as np

from common.ids import Pseudonymizer
from common.schemas.data import LayerContent
from infra.local.object_store import ObjectStore
from tests.asgi import Answer
from tests.bundles import Goods, History, item_lists, layer_content

SOURCE = Path(__file__).parents[1] / "functions" / "recommend" / "main.py"
TOKEN_KEY = "the secret that the shop and recommend share, at least 64 bytes long"
SHOP_PAGE = "https://shop.example"
N, DIM = 60, 4


def shop_environment(store: ObjectStore, bucket: str, directory: Path) -> dict[str, str]:
    """Settings of a shop with a prefix of its own on the real server."""
    return {
        "RECSYS_BUCKET": bucket,
        "RECSYS_PREFIX": f"{secrets.token_hex(8)}/",
        "RECSYS_S3_ENDPOINT": store.endpoint,
        "RECSYS_S3_ACCESS_KEY": store.access_key,
        "RECSYS_S3_SECRET_KEY": store.secret_key,
        "RECSYS_PSEUDONYM_KEY": "5ec2e7" * 11,
        "RECSYS_TOKEN_KEY": TOKEN_KEY,
        "RECSYS_CORS_ORIGINS": SHOP_PAGE,
        "RECSYS_REFRESH_S": "0.05",
        "RECSYS_CACHE_DIR": str(directory / "cache"),
    }


def shop_layer(pseudonymizer: Pseudonymizer, seed: int = 1) -> LayerContent:
    """Item `i<n>` is of category `c<n % 4>` and costs n; `ada` has bought i1, i2, i3; i5 goes with i40 to i42."""
    vectors = np.random.default_rng(seed).standard_normal((N, DIM)).astype(np.float32)
    goods = Goods(range(N), vectors, categories=[f"c{number % 4}" for number in range(N)], prices=list(range(N)))
    people = {pseudonymizer.user_key("ada"): History([1, 2, 3], vectors[2])}
    gram = (vectors.T @ vectors + np.eye(DIM)).astype(np.float32)
    lists = {"popular": np.arange(20, dtype=np.int32), "newest": np.arange(N, dtype=np.int32)[::-1]}
    together = item_lists({5: [40, 41, 42]})
    return layer_content(goods, people, {"gram": gram}, popular_by_category={}, bought_together=together, **lists)


def token(sub: object = "ada", key: str = TOKEN_KEY, algorithm: str = "HS256", **claims: object) -> dict[str, str]:
    """The header that names a person; a claim that is None is left out."""
    claims = {"sub": sub, "exp": time.time() + 60, **claims}
    encoded = jwt.encode({name: value for name, value in claims.items() if value is not None}, key, algorithm)
    return {"Authorization": f"Bearer {encoded}"}


def ids(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.body
    return [item["item_id"] for item in answer.json()["items"]]
