"""The JSON of an answer, joined from stored bytes without serialising objects."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from common.schemas.kind import Kind
from common.serving.bundle import ServedBundle
from common.serving.evidence import Reason
from common.serving.ranking import Pick, Rung

_RUNGS: Final = {rung: b'"rung":"%b","reason":{"code":' % rung.encode() for rung in Rung}
_REASON_JSON: Final = {reason: b'"%b"' % reason.encode() for reason in Reason}


def render(bundle: ServedBundle, picks: list[Pick], kind: Kind | None = None) -> bytes:
    """The answer `{"bundle_id": …, "model": …, "items": [card fields, rank, rung, reason, score], …}` as UTF-8, with
    `"kind": …` before the items where a kind was asked for.

    `reason` is {code, item_id, title}; the last two only where another item is the reason. `score` is left out in rungs
    that have none.
    """
    card, mention = bundle.items.card, bundle.items.mention
    pieces: list[bytes] = []
    for rank, (item_no, rung, (reason, cause), score) in enumerate(picks, start=1):
        # The card is a JSON object; the fields of this answer come in place of its closing brace.
        pieces += (card(item_no)[:-1], b',"rank":%d,' % rank, _RUNGS[rung], _REASON_JSON[reason])
        if cause is not None:
            pieces += (b",", mention(cause))
        pieces.append(b"}}," if score is None else b'},"score":%.6g},' % score)
    return _join(bundle, b"".join(pieces)[:-1], kind)


def render_cards(bundle: ServedBundle, item_nos: Iterable[int]) -> bytes:
    """The cards `{"bundle_id": …, "model": …, "items": [card fields, available, …]}` as UTF-8."""
    return _join(bundle, b",".join(_card(bundle, item_no) for item_no in item_nos))


def _join(bundle: ServedBundle, items: bytes, kind: Kind | None = None) -> bytes:
    return b'%b,"items":[%b]}' % (_head(bundle.document.bundle_id, bundle.document.model.family, kind), items)


@lru_cache(maxsize=32)
def _head(bundle_id: str, model: str, kind: Kind | None) -> bytes:
    told = {"bundle_id": bundle_id, "model": model, **({} if kind is None else {"kind": kind})}
    return json.dumps(told, separators=(",", ":"))[:-1].encode()


def _card(bundle: ServedBundle, item_no: int) -> bytes:
    available = b"true" if bundle.items.is_available(item_no) else b"false"
    return b'%b,"available":%b}' % (bundle.items.card(item_no)[:-1], available)
