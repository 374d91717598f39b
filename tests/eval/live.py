"""The functions themselves in this process, on a real S3 server: what a shop uploads, has trained and asks for."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pyarrow
import pyarrow.parquet

from common.bucket.s3 import S3Bucket
from common.edges.wiring import make_context
from common.models.base import TrainingData
from common.schemas.data import EVENT_TYPES, NO_USER, Catalogue, Interactions
from common.schemas.documents import ModelInfo, RunRecord, RunState, ServingDocument
from common.usecases.shared.context import Context
from infra.local.object_store import ObjectStore
from tests.asgi import Function
from tests.caller import FUNCTIONS, client_of


class LiveShop:
    """One shop in one bucket. Person `code` of the events is the user `person <code>`."""

    def __init__(self, directory: Path, ctx: Context, token: str) -> None:
        self._directory = directory
        self._ctx = ctx
        self._token = token
        self._recommend: Function | None = None

    def take_in(self, data: TrainingData) -> None:
        """Uploads the catalogue, if there is one, and the events, and has ingest take them in."""
        if data.catalogue is not None:
            self._upload(f"{self._ctx.keys.incoming_items}items.parquet", _item_table(data.catalogue))
        self._upload(f"{self._ctx.keys.incoming_events}events.parquet", _event_table(data.interactions))
        for run in self._call("ingest", {}):
            _require_done(run)

    def train(self, budget_s: float, **options: object) -> RunRecord:
        """`options` as the body of the function has them."""
        [run] = self._call("train", {"budget_s": budget_s, **options})
        _require_done(run)
        return run

    def figures(self, run: RunRecord) -> dict[str, Any]:
        """`metrics.json` of a training run."""
        blob = self._ctx.bucket.get(self._ctx.keys.model_file(run.run_id, "metrics.json"))
        assert blob is not None
        found: dict[str, Any] = json.loads(blob.data)
        return found

    def model(self) -> ModelInfo:
        blob = self._ctx.bucket.get(self._ctx.keys.serving_current)
        assert blob is not None
        return ServingDocument.model_validate_json(blob.data).bundle.model

    def recommended(self, person: int, **fields: object) -> list[str]:
        """Item ids, best first, as recommend answers them."""
        self._recommend = self._recommend or Function("recommend", FUNCTIONS / "recommend" / "main.py")
        asked = urlencode({"user_id": _user_id(person), **fields})
        answer = self._recommend.call("GET", f"/v1/recommendations?{asked}")
        assert answer.status == 200, answer.body
        return [item["item_id"] for item in answer.json()["items"]]

    def serve_with(self, **settings: object) -> None:
        """Has recommend begin anew with other settings, by name."""
        self.close()
        self._recommend = None
        os.environ.update({f"RECSYS_{name.upper()}": str(value) for name, value in settings.items()})

    def close(self) -> None:
        if self._recommend is not None:
            self._recommend.close()

    def _upload(self, key: str, table: pyarrow.Table) -> None:
        path = self._directory / Path(key).name
        pyarrow.parquet.write_table(table, path)
        self._ctx.bucket.put(key, path)

    def _call(self, function: str, body: dict[str, Any]) -> list[RunRecord]:
        answer = client_of(function).post("/", json=body, headers={"Authorization": f"Bearer {self._token}"})
        assert answer.status_code == 200, answer.data
        return [RunRecord.model_validate(run) for run in answer.json["runs"]]


@contextmanager
def live_shop(directory: Path, **settings: object) -> Iterator[LiveShop]:
    """`settings` by name; the process's own environment carries them, as a function's does."""
    with ObjectStore() as store:
        token = secrets.token_hex(16)
        given = {
            "bucket": "evaluation",
            "s3_endpoint": store.endpoint,
            "s3_access_key": store.access_key,
            "s3_secret_key": store.secret_key,
            "pseudonym_key": secrets.token_hex(16),
            "trigger_token": token,
            "allow_user_id": True,
            "cache_dir": directory / "cache",
            "log_level": "warning",
            **settings,
        }
        os.environ.update({f"RECSYS_{name.upper()}": str(value) for name, value in given.items()})
        ctx = make_context(os.environ)
        S3Bucket.from_settings(ctx.settings).create()
        shop = LiveShop(directory, ctx, token)
        try:
            yield shop
        finally:
            shop.close()


def _require_done(run: RunRecord) -> None:
    if run.state is not RunState.DONE:
        raise RuntimeError(f"{run.function} is {run.state}: {run.error}")


def _user_id(person: int) -> str:
    return f"person {person}"


def _event_table(events: Interactions) -> pyarrow.Table:
    """Events without consent are nobody's."""
    known = events.users != NO_USER
    return pyarrow.table(
        {
            "user_id": [_user_id(person) for person in events.users.tolist()],
            "item_id": np.array(events.item_ids)[events.items].tolist(),
            "ts": events.ts,
            "qty": events.qty.astype(np.int64),
            "event_type": [EVENT_TYPES[kind].value for kind in events.event_types.tolist()],
            "order_id": [str(order) for order in events.orders.tolist()],
            "price": events.prices,
            "consent": known,
        }
    )


def _item_table(items: Catalogue) -> pyarrow.Table:
    return pyarrow.table(
        {
            "item_id": list(items.item_ids),
            "category": list(items.categories),
            "brand": list(items.brands),
            "price": items.prices,
            "img_url": list(items.img_urls),
            "title": list(items.titles),
            "created_at": items.created_at,
        }
    )
