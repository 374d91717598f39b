"""The demo's steps, in order. Each returns what the summary reports, or raises `DemoError`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from common.bucket.current import CurrentFile
from common.cli.progress import drawn, show_run
from common.schemas.documents import Bundle, RunRecord, RunState, ServingDocument
from common.schemas.kind import Kind
from common.usecases.ingest.upload import UploadKind, upload
from common.usecases.shared.context import Context
from common.usecases.shared.run_watch import describe_failure, find_run, follow, of_function, of_upload
from infra.demo.checkout import CARDS, Checkout
from infra.demo.checks import require
from infra.demo.recommend_client import RecommendClient
from infra.demo.shop import Item, Person, Shop
from infra.local.calls import call
from infra.local.stack import Stack

TRAINING = {"families": ["als"], "budget_s": 120}
"""Only ALS is trained, with two minutes for the search. A fit of BPR or item2vec on the grocer's year takes longer than
a trial may take of that, a fifth of the time left; a nightly training has hours."""

INGEST_S = 300.0
VISIBLE_S = 60.0
POLL_S = 0.05
BASKET = 4


@dataclass(frozen=True)
class Change:
    """Seconds from each upload until an answer shows it, and how many of ten recommendations were replaced. `listed_s`
    passed until the new product was in the list of its category, which a page shows to everybody."""

    product_s: float
    listed_s: float
    person_s: float
    replaced: int


@dataclass(frozen=True)
class BasketChange:
    """How many of a person's `CARDS` cards of `for-you` are others after a basket of one aisle."""

    person: str
    aisle: str
    changed: int


@dataclass(frozen=True)
class Demo:
    """The running demo, whose methods are the steps."""

    console: Console
    stack: Stack
    ctx: Context
    shop: Shop
    client: RecommendClient

    def take_in(self, path: Path, kind: UploadKind) -> RunRecord:
        """Uploads a file and waits for the run of ingest, which the bucket's event starts."""
        since = self.ctx.now()
        item = upload(self.ctx, path, kind)
        records = follow(self.ctx, of_upload(item), since=since, timeout_s=INGEST_S)
        run = show_run(self.console, f"ingest {path.name}", records)
        require(run.state is RunState.DONE, f"ingest of {path.name}: {describe_failure(run)}")
        require(self.ctx.bucket.head(item.key) is None, f"{item.key} is still there after its ingest")
        return run

    def train(self) -> RunRecord:
        """Calls the train function, as a shop does that does not wait for the first night."""
        since = self.ctx.now()
        function = self.stack.manifest.function("train")
        with drawn(self.console, "train", lambda: find_run(self.ctx, of_function("train"), since)):
            answer = call(
                "POST",
                self.stack.url("train"),
                body=json.dumps(TRAINING).encode(),
                headers={
                    "Authorization": f"Bearer {self.stack.environment.secret('RECSYS_TRIGGER_TOKEN')}",
                    "Content-Type": "application/json",
                },
                timeout_s=function.timeout_s,
            )
        require(answer is not None, "the train function gave no answer")
        assert answer is not None
        require(answer.status == 200, f"the train function answered {answer.status}: {answer.body.decode()[:500]}")
        run = RunRecord.model_validate(answer.json()["runs"][0])
        require(run.state is RunState.DONE, f"train: {describe_failure(run)}")
        return run

    def served(self) -> Bundle:
        """Waits until recommend serves the published bundle, and returns it."""
        document = CurrentFile(self.ctx.bucket, self.ctx.keys.serving_current, ServingDocument).read().document
        require(document is not None, "training ended, and nothing is published")
        assert document is not None
        self.until("recommend serves what was published", lambda: len(self.client.for_nobody()) > 0)
        return document.bundle

    def change(self) -> Change:
        """Makes the second upload: a new product and one person's latest purchases."""
        person, item = self.shop.people[0], self.shop.new_item
        upload(self.ctx, self.shop.new_items, UploadKind.ITEMS)
        listed_s = self.until(f"{item.title!r} is in its category's list", lambda: self._lists(item))
        product_s = listed_s + self.until(f"{item.title!r} is recommended", lambda: self._finds(item))
        require(len(self.client.similar(item.item_id)) > 0, f"the page of {item.title!r} shows nothing similar")
        before = self._list_of(person)
        upload(self.ctx, self.shop.new_events, UploadKind.EVENTS)
        person_s = self.until(
            f"the recommendations for {person.label} change", lambda: self._list_of(person) not in ([], before)
        )
        replaced = set(before) - set(self._list_of(person))
        return Change(product_s=product_s, listed_s=listed_s, person_s=person_s, replaced=len(replaced))

    def buy_baskets(self) -> list[BasketChange]:
        """Each person buys the best sellers of an aisle. Returns what that changes in what they are shown first."""
        checkout, before = Checkout(self.ctx, self.client), []
        for person, aisle in zip(self.shop.people, self.shop.aisles, strict=False):
            before.append(self._cards_of(person))
            checkout.buy(self._best_sellers(aisle), person.user_id, consent=True)
        return [self._changed(*one) for one in zip(self.shop.people, self.shop.aisles, before, strict=False)]

    def _changed(self, person: Person, aisle: str, before: list[str]) -> BasketChange:
        bought = {item.item_id for item in self._best_sellers(aisle)}

        def is_known() -> bool:
            because = self.client.of_kind(Kind.BECAUSE_YOU_BOUGHT, person.user_id, CARDS)
            return any(item.cause in bought for item in because)

        self.until(f"the basket of {person.label} is in what is served", is_known)
        return BasketChange(person.name, aisle, len(set(before) - set(self._cards_of(person))))

    def _best_sellers(self, aisle: str) -> list[Item]:
        return [item for item in self.shop.catalogue.values() if item.category == aisle][:BASKET]

    def until(self, what: str, happened: Callable[[], bool]) -> float:
        """Waits until `happened` is true and returns the seconds. Raises `DemoError` after `VISIBLE_S`."""
        started = time.monotonic()
        with self.console.status(f"waiting until {what}"):
            while not happened():
                require(time.monotonic() - started < VISIBLE_S, f"{VISIBLE_S:.0f} s passed before {what}")
                time.sleep(POLL_S)
        return time.monotonic() - started

    def _list_of(self, person: Person) -> list[str]:
        return [item.item_id for item in self.client.for_person(person.user_id)]

    def _cards_of(self, person: Person) -> list[str]:
        """What the carousel of the first page shows."""
        return [item.item_id for item in self.client.of_kind(Kind.FOR_YOU, person.user_id, CARDS)]

    def _lists(self, item: Item) -> bool:
        """Whether the item is among the cards of its category for a visitor of whom nothing is known."""
        shown = self.client.of_kind(Kind.POPULAR, n=CARDS, category=item.category)
        return item.item_id in {card.item_id for card in shown}

    def _finds(self, item: Item) -> bool:
        """Whether the item is in the first person's recommendations of its brand: a filter searches all items."""
        found = self.client.for_person(self.shop.people[0].user_id, brand=item.brand)
        return item.item_id in {card.item_id for card in found}
