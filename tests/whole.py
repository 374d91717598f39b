"""Fixtures of the whole stack on a small shop: started, filled and trained once for all tests that look at it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.edges.wiring import make_context
from common.schemas.documents import RunRecord
from common.usecases.ingest.upload import UploadKind, upload
from common.usecases.shared.context import Context
from common.usecases.shared.run_watch import follow, of_upload
from infra.demo.recommend_client import N, RecommendClient
from infra.local.calls import Answer, call
from infra.local.ports import free_ports
from infra.local.stack import Stack
from tests import small_shop

DEADLINE_S = 60.0
QUICK = {"RECSYS_REFRESH_S": "0.1", "RECSYS_TRAIN_FAMILIES": "als,popular", "RECSYS_TUNE_TRIALS": "0"}


@dataclass(frozen=True)
class Whole:
    """A running stack, an operator's context on it, and a storefront's client."""

    stack: Stack
    ctx: Context
    client: RecommendClient

    def take_in(self, path: Path, kind: UploadKind) -> RunRecord:
        """Uploads, and waits for the run that the bucket's event set off."""
        since = self.ctx.now()
        item = upload(self.ctx, path, kind)
        return list(follow(self.ctx, of_upload(item), since=since, timeout_s=DEADLINE_S))[-1]

    def trigger(self, function: str, token: str | None = None) -> Answer:
        token = token or self.stack.environment.secret("RECSYS_TRIGGER_TOKEN")
        headers = {"Authorization": f"Bearer {token}"}
        answer = call("POST", self.stack.url(function), body=b"{}", headers=headers, timeout_s=2 * DEADLINE_S)
        assert answer is not None
        return answer


@dataclass(frozen=True)
class Filled:
    """What the first uploads and the training of the small shop gave."""

    whole: Whole
    ingests: tuple[RunRecord, ...]
    training: RunRecord


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with Stack(tmp_path_factory.mktemp("stack"), ports=free_ports(), replaced=QUICK) as stack:
        client = RecommendClient(stack.url("recommend"), stack.environment.secret("RECSYS_TOKEN_KEY"), {})
        yield Whole(stack, make_context(stack.environment.of_operator()), client)


@pytest.fixture(scope="session")
def filled(whole: Whole, tmp_path_factory: pytest.TempPathFactory) -> Filled:
    directory = tmp_path_factory.mktemp("shop")
    items = whole.take_in(small_shop.write_items(directory / "items.csv"), UploadKind.ITEMS)
    events = whole.take_in(small_shop.write_events(directory / "events.csv"), UploadKind.EVENTS)
    answer = whole.trigger("train")
    assert answer.status == 200, answer.body
    training = RunRecord.model_validate(answer.json()["runs"][0])
    until(lambda: len(whole.client.for_nobody()) == N)
    return Filled(whole, (items, events), training)


def until(happened: Callable[[], bool]) -> None:
    """Fails after `DEADLINE_S`."""
    deadline = time.monotonic() + DEADLINE_S
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)
