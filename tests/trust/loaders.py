"""Everything that reads what comes from outside: from the bucket, from clients, from uploads, from the environment.

Each loader takes bytes. For any bytes it returns, or raises one of the errors that it documents.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import numpy as np
from pydantic import ValidationError

from common.bucket.probe import prove_conditional_put, read_proof
from common.config import Shop
from common.edges import bucket_events
from common.edges.http_fields import CardFields, ListFields, PersonFields, read_body, read_query_string, to_query
from common.edges.http_token import read_token
from common.errors import BadRequest, CorruptError, SettingError, TooLarge, Unauthorized
from common.models.artifact import Artifact
from common.schemas.documents import FileRef, LayerRef, RunRecord, RunState
from common.schemas.erasure import ErasureRequest
from common.serving.arrays import INFO_FILE, Strings, map_array
from common.serving.bundle import write_layer
from common.serving.layer import LayerFiles
from common.serving.rewrite import keys_in
from common.store.segments.tombstones import Tombstones
from common.usecases.erase.erase import _read_request, erase, read_receipt
from common.usecases.ingest.quarantine import read_report
from common.usecases.shared.context import Context
from common.usecases.shared.figure_tables import tables_of
from common.usecases.shared.key_check import check_key
from common.usecases.shared.manifests import read_manifest
from common.usecases.shared.report_files import METRICS_FILE, PEOPLE_FILE, REPORT_FILE, delete_reports, fetch_figures
from common.usecases.shared.run_watch import recent_runs
from common.usecases.train.train import TrainOptions
from tests.bundles import Goods, layer_content
from tests.contract.test_bucket_events import EVENTS
from tests.erika import ERIKA, filled_bucket
from tests.memory import SETTINGS, memory_context
from tests.unit.test_artifact import artifact
from tests.unit.test_token import KEY, signed

HEADER: Final = {"alg": "HS256", "typ": "JWT"}
CLOUD: Final = {
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-type": "com.amazonaws.s3.ObjectCreated:Put",
    "ce-source": "minio.region.shop-data",
    "ce-subject": "incoming/events/a.csv",
}
NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)


_SPREAD: Final = {"mean": 0.5, "low": 0.25, "high": 0.75}
_ROW: Final = {"name": "a", "kind": "champion", "ndcg@10": _SPREAD, "lead": _SPREAD, "metrics": {"questions": 9.0}}
FIGURES: Final = json.dumps(
    {
        "window": {"people": 9},
        "table": [{**_ROW, "intervals": {"all_purchases": _ROW, "new_purchases": None}}],
        "similar": {"what": "interchange", "table": [_ROW]},
        "due": {"table": [{"name": "a", "horizons": {"7": {**_ROW, "people": 9}}}]},
        "kinds": {"basket": {"first": "a", "questions": 9, "asked": 9, "table": [_ROW, _ROW]}},
    }
).encode()


@dataclass(frozen=True)
class Loader:
    """`load` reads bytes. `valid` are some that it takes, `documented` the errors that it may raise for others."""

    name: str
    load: Callable[[bytes], object]
    valid: tuple[bytes, ...]
    documented: tuple[type[Exception], ...] = field(default=())


def all_loaders(directory: Path) -> list[Loader]:
    """`directory` is where files are put that are read."""
    return [*_documents(directory), *_files(directory), *_of_clients(), _settings()]


def _documents(directory: Path) -> list[Loader]:
    """The documents of the bucket: each is put at its place in a shop, and read by what reads it."""
    ctx, after = (memory_context(directory / name, filled_bucket()) for name in ("shop", "after"))
    erase(after, [ERIKA])
    served = ctx.serving_file.read().document
    assert served is not None
    manifest, keys = served.history[0], ctx.keys
    receipt, marks = "erasures/receipts/1.json", keys.model_file("1", PEOPLE_FILE)
    ctx.bucket.put(keys.model_file("1", REPORT_FILE), b"a report")

    def document(
        name: str, key: str, read: Callable[[Context], object], *documented: type[Exception], valid: bytes = b""
    ) -> Loader:
        def load(data: bytes) -> object:
            ctx.bucket.put(key, data)
            return read(ctx)

        return Loader(name, load, (valid or _content(ctx, key),), documented)

    run = RunRecord(run_id="1", function="erase", state=RunState.DONE, started_at=NOW, details={"receipt": receipt})
    request = ErasureRequest(requested_at=NOW, people=("0" * 32,)).model_dump_json().encode()
    stones = Tombstones.none(ctx.shop.pseudonymizer)
    return [
        document("store/current.json", keys.store_current, lambda ctx: ctx.store_file.read(), CorruptError),
        document("serving/current.json", keys.serving_current, lambda ctx: ctx.serving_file.read(), CorruptError),
        document("manifest", manifest.key, lambda ctx: read_manifest(ctx, manifest), CorruptError),
        document("key-check.json", keys.key_check, check_key, CorruptError, SettingError),
        document("proof", keys.conditional_put_proof, _proof, valid=_proven(ctx)),
        document("run record", keys.run("1"), lambda ctx: recent_runs(ctx, 1), valid=run.model_dump_json().encode()),
        document("quarantine report", *_quarantined(ctx)),
        document("request", "request", _request, CorruptError, valid=request),
        document("receipt", receipt, lambda ctx: read_receipt(ctx, run), CorruptError, valid=_receipt(after)),
        document("metrics.json", keys.model_file("1", METRICS_FILE), _figures, CorruptError, valid=FIGURES),
        document("people of a report", marks, lambda ctx: delete_reports(ctx, stones), valid=b'{"shown": ["a"]}'),
    ]


def _figures(ctx: Context) -> object:
    """As `recsys eval` reads them."""
    return [table.as_dict() for table in tables_of(fetch_figures(ctx, "1").figures)]


def _content(ctx: Context, key: str) -> bytes:
    blob = ctx.bucket.get(key)
    assert blob is not None, key
    return blob.data


def _proven(ctx: Context) -> bytes:
    prove_conditional_put(ctx.bucket, ctx.keys, ctx.settings.s3_endpoint)
    return _content(ctx, ctx.keys.conditional_put_proof)


def _proof(ctx: Context) -> object:
    return read_proof(ctx.bucket, ctx.keys, ctx.settings.s3_endpoint)


def _quarantined(ctx: Context) -> tuple[str, Callable[[Context], object]]:
    key = next(info.key for info in ctx.bucket.list(ctx.keys.quarantine) if info.key.endswith(".json"))
    return key, lambda ctx: read_report(ctx, key)


def _request(ctx: Context) -> object:
    return _read_request("request", _content(ctx, "request"))


def _receipt(ctx: Context) -> bytes:
    return _content(ctx, next(info.key for info in ctx.bucket.list("erasures/receipts/")))


def _files(directory: Path) -> list[Loader]:
    """What is opened from the local disk."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "file"

    def file(name: str, read: Callable[[Path], object], *valid: bytes) -> Loader:
        def load(data: bytes) -> object:
            path.write_bytes(data)
            return read(path)

        return Loader(name, load, valid, (CorruptError,))

    vectors = _npy(np.arange(12, dtype=np.float32).reshape(6, 2))
    offsets = _npy(np.array([0, 3, 7], dtype=np.int64))
    pseudonymizer = Shop.from_env(SETTINGS).pseudonymizer
    stones = b'{"format_version":1,"tombstones":{"%b":{"until":"2026-01-01T00:00:00Z","erasure":1}}}' % (b"0" * 32)
    return [
        file("tombstones", lambda path: Tombstones.read(path, pseudonymizer), stones),
        file("layer.json", _layer_info, _info(directory)),
        file("mapped array", lambda path: map_array(path, "array"), vectors, offsets),
        file("keys of people", keys_in, _npy(np.zeros((2, 3), dtype=np.uint64))),
        file("offsets of strings", partial(_strings, directory), offsets),
        *_artifacts(directory / "artifact"),
    ]


def _npy(array: np.ndarray[Any, Any]) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def _info(directory: Path) -> bytes:
    content = layer_content(Goods(range(6), np.ones((6, 2), dtype=np.float32)))
    (directory / "layer").mkdir(exist_ok=True)
    return write_layer(content, "base", directory / "layer", threads=1)[INFO_FILE].read_bytes()


def _layer_info(path: Path) -> object:
    ref = FileRef(key=INFO_FILE, sha256="0" * 64, bytes=path.stat().st_size)
    layer = LayerRef(layer_id="l", kind="base", covers_seq=1, n_items=6, n_users=0, files={INFO_FILE: ref})
    return LayerFiles(layer, lambda _: path).info()


def _strings(directory: Path, offsets: Path) -> list[bytes]:
    text = directory / "text"
    text.write_bytes(b"abcdefg")
    strings = Strings.load(text, offsets, "text", 2)
    return [strings[row] for row in range(2)]


def _artifacts(directory: Path) -> list[Loader]:
    """Each file of an artifact, beside the others as they were."""
    artifact().save(directory)
    names = sorted(path.name for path in directory.iterdir())

    def load(name: str, data: bytes) -> object:
        before = (directory / name).read_bytes()
        (directory / name).write_bytes(data)
        try:
            return Artifact.load(directory)
        finally:
            (directory / name).write_bytes(before)

    return [
        Loader(f"artifact: {name}", partial(load, name), ((directory / name).read_bytes(),), (CorruptError,))
        for name in names
    ]


def _of_clients() -> list[Loader]:
    query = urlencode([("n", 5), ("category", "a"), ("category", "b"), ("attr.colour", "red"), ("price_min", 1.5)])
    body = {"n": 3, "viewed": ["a"], "session": [{"item_id": "b", "event_type": "cart"}], "basket": ["c"]}
    claims = json.dumps({"sub": "somebody", "exp": 4e9}).encode()
    asked = (BadRequest, TooLarge)
    return [
        *(
            Loader(f"query of {model.__name__}", partial(_ask, model), (valid.encode(),), asked)
            for model, valid in ((ListFields, query), (PersonFields, query), (CardFields, "item_id=a&item_id=b"))
        ),
        Loader("body", lambda data: to_query(read_body(data), 100), (json.dumps(body).encode(),), asked),
        Loader("token", lambda data: read_token(data, KEY), (signed(HEADER, claims),), (Unauthorized,)),
        Loader("claims", lambda data: read_token(signed(HEADER, data), KEY), (claims,), (Unauthorized,)),
        Loader("order for training", _order, (b'{"families": ["als"], "budget_s": 3}',), (BadRequest, ValidationError)),
        Loader("bucket event", partial(bucket_events.parse, {}), _events(), (BadRequest,)),
        Loader("binary CloudEvent", partial(bucket_events.parse, CLOUD), _events(), (BadRequest,)),
        Loader("headers of a CloudEvent", _cloud_headers, (json.dumps(CLOUD).encode(),), (BadRequest,)),
    ]


def _ask(model: type[ListFields] | type[CardFields], data: bytes) -> object:
    fields = read_query_string(model, data)
    return to_query(fields, 100) if isinstance(fields, ListFields) else fields


def _order(data: bytes) -> object:
    """The function makes an answer 400 of pydantic's error."""
    return TrainOptions.model_validate_json(data)


def _events() -> tuple[bytes, ...]:
    return tuple(path.read_bytes() for path in sorted(EVENTS.iterdir()))


def _cloud_headers(data: bytes) -> object:
    """Pairs of texts, as a server passes headers on: any of latin-1."""
    values = data.decode("latin-1").split('"')
    return bucket_events.parse({**CLOUD, **dict(zip(values[1::4], values[3::4], strict=False))}, b"")


def _settings() -> Loader:
    valid = "\0".join(f"{name}={value}" for name, value in SETTINGS.items())
    return Loader("settings", _environment, (valid.encode(),), (SettingError,))


def _environment(data: bytes) -> object:
    lines = data.decode(errors="surrogateescape").split("\0")
    return Shop.from_env({**SETTINGS, **dict(line.partition("=")[::2] for line in lines if line.startswith("RECSYS_"))})
