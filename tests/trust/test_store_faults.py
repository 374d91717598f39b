"""A store that fails in every way that stores do: nothing is lost or counted twice, errors are of the product's own
tree, and once the store is well again, the same process goes on.

The server is real; a proxy before it spoils the answers. Each function meets each fault in turn, in one shop.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from common.bucket import s3_clients
from common.bucket.s3 import S3Bucket
from common.bucket.s3_clients import S3Location
from common.edges.wiring import make_context
from common.errors import BucketUnavailable, RecsysError, SettingError
from common.usecases.erase.erase import erase
from common.usecases.ingest.ingest import drain, ingest_object
from common.usecases.operate.setup import setup
from common.usecases.operate.sweep import sweep
from common.usecases.recommend.service import RecommendService
from common.usecases.shared.context import Context, utc_now
from common.usecases.train.train import TrainOptions, train
from common.usecases.update.update import update
from infra.local.object_store import ObjectStore
from tests.erika import ERIKA, GOODS, OTHERS, bought, filled_bucket, sent
from tests.store.shop import events_csv, rows_of
from tests.stored import served_document
from tests.trust.accounts import Account
from tests.trust.ledger import answers, orphans
from tests.trust.store_proxy import FAULTS, Fault, Proxy
from tests.trust.works import row_of

pytestmark = pytest.mark.s3

QUICK = TrainOptions(families=("popular",), evaluate=False)
LIES = ("409 to a commit", "412 to a commit", "wrong ETag of a PUT", "wrong ETag of a GET")
"""Of a store that does this while it is tried out, setup must say that it cannot be used."""


@dataclass
class Shop:
    """`ctx` reaches the store through the proxy, `direct` without it. `events` were sent and not erased."""

    ctx: Context
    direct: Context
    proxy: Proxy
    events: list[str]
    service: RecommendService
    late: timedelta = timedelta(0)

    def upload(self, person: str) -> str:
        lines = bought(person, GOODS[:2], 60)
        key = f"{self.direct.keys.incoming_events}{re.sub('[^a-z0-9]', '-', person)}.csv"
        self.direct.bucket.put(key, events_csv(*lines))
        self.events += lines
        return key

    def take_in(self, person: str) -> None:
        ingest_object(self.direct, self.upload(person))


@pytest.fixture
def proxy(object_store: ObjectStore) -> Iterator[Proxy]:
    with Proxy(object_store.endpoint).running() as proxy:
        yield proxy


@pytest.fixture
def shop(proxy: Proxy, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """`ERIKA`'s shop on the real server. Its clients ask twice, and do not wait long in between."""
    monkeypatch.setattr(s3_clients, "ATTEMPTS", 2)
    direct = make_context(environment)
    for info in (shop := filled_bucket()).list(""):
        blob = shop.get(info.key)
        assert blob is not None
        direct.bucket.put(direct.keys.prefix + info.key, relocated(blob.data, direct.keys.prefix))
    here = {"RECSYS_S3_ENDPOINT": proxy.endpoint, "RECSYS_CACHE_DIR": str(tmp_path / "through-the-proxy")}
    through = make_context({**environment, **here})
    found = Shop(through, direct, proxy, [line for lines in sent() for line in lines], RecommendService(through))
    found.ctx = replace(through, now=lambda: utc_now() + found.late)
    found.service = RecommendService(found.ctx)
    return found


def relocated(data: bytes, prefix: str) -> bytes:
    """The documents of a shop with another prefix: they name full keys."""
    if not data.startswith(b"{"):
        return data
    return re.sub(rb'("key": ?")', rb"\g<1>" + prefix.encode(), data)


@dataclass(frozen=True)
class Work:
    """`prepare` brings something to do, `do` meets the fault, `again` is what comes later in the same process."""

    prepare: Callable[[Shop, str], object]
    do: Callable[[Shop, str], object]
    again: Callable[[Shop, str], object]


def key_of(shop: Shop, person: str) -> str:
    return f"{shop.direct.keys.incoming_events}{re.sub('[^a-z0-9]', '-', person)}.csv"


def erase_again(shop: Shop, person: str) -> None:
    """The sweep ends what was promised; of the others the operator has seen an error, and repeats the command."""
    drain(shop.ctx)
    if any(row[0] == person for row in rows_of(shop.direct, [person])):
        erase(shop.ctx, [person])
    shop.events = [line for line in shop.events if not line.startswith(f"{person},")]


def follow(shop: Shop, person: str) -> None:
    shop.service.watch.refresh()


def follow_again(shop: Shop, person: str) -> None:
    """A version that was refused is tried again after a while."""
    shop.late += timedelta(minutes=2)
    shop.service.watch.refresh()
    current = shop.service.watch.current
    assert current is not None
    assert current.document == served_document(shop.direct).bundle
    assert (shop.service.watch.refusal, shop.service.watch.store_answers) == (None, True)


def publish_next(shop: Shop, person: str) -> None:
    shop.take_in(person)
    update(shop.direct)


def set_up(shop: Shop, person: str) -> None:
    settings = shop.ctx.settings
    setup(shop.ctx, S3Bucket(S3Location.from_settings(settings)), ())


WORKS = {
    "ingest": Work(
        Shop.upload, lambda shop, who: ingest_object(shop.ctx, key_of(shop, who)), lambda s, _: drain(s.ctx)
    ),
    "update": Work(Shop.take_in, lambda shop, _: update(shop.ctx), lambda shop, _: update(shop.ctx)),
    "train": Work(Shop.take_in, lambda shop, _: train(shop.ctx, QUICK), lambda shop, _: train(shop.ctx, QUICK)),
    "erase": Work(Shop.take_in, lambda shop, who: erase(shop.ctx, [who]), erase_again),
    "sweep": Work(Shop.upload, lambda shop, _: sweep(shop.ctx), lambda shop, _: sweep(shop.ctx)),
    "recommend": Work(publish_next, follow, follow_again),
    "setup": Work(lambda shop, who: None, set_up, set_up),
}


READS = ("500", "half of a GET", "no ETag", "no time")
LISTS = tuple(fault.name for fault in FAULTS if "list" in fault.name)


@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS if fault.name in READS + LISTS], ids=lambda fault: fault.name
)
def test_an_answer_that_is_none_is_a_store_that_is_unavailable(shop: Shop, fault: Fault) -> None:
    prefix = shop.ctx.keys.prefix
    shop.proxy.spoil(fault, 9)
    with pytest.raises(BucketUnavailable):
        _ = (
            list(shop.ctx.bucket.list(prefix))
            if fault.name in LISTS
            else shop.ctx.bucket.get(f"{prefix}key-check.json")
        )
    shop.proxy.heal()
    assert len(list(shop.ctx.bucket.list(prefix))) == len(list(shop.direct.bucket.list(prefix)))


IN_EVERY_RUN = ("ingest", "recommend")


def cases() -> Iterator[ParameterSet]:
    """Each function, and how many answers are spoilt: so many that some calls survive them, or hardly any."""
    for name in WORKS:
        for times in (3, 9):
            lane = "trust" if name in IN_EVERY_RUN and times == 3 else "trust-store"
            yield pytest.param(name, times, marks=pytest.mark.slow(lane=lane), id=f"{name}-{times}")


@pytest.mark.parametrize(("name", "times"), list(cases()))
def test_a_function_goes_on_after_each_fault(shop: Shop, name: str, times: int, account: Account) -> None:
    work = WORKS[name]
    for number, fault in enumerate(FAULTS):
        person = f"person of fault {number}"
        work.prepare(shop, person)
        error = struck(shop, partial(work.do, shop, person), fault, times)
        check(error, fault, name)
        work.again(shop, person)
        account(faults=1, spoilt_answers=shop.proxy.met, typed_errors=error is not None)
    sweep(shop.ctx)
    people = [*OTHERS, ERIKA, *(f"person of fault {number}" for number in range(len(FAULTS)))]
    assert rows_of(shop.direct, people) == sorted(map(row_of, set(shop.events)), key=str)
    assert orphans(shop.direct) == []
    assert answers(shop.ctx) == answers(shop.direct)
    account(events=len(shop.events))


def struck(shop: Shop, do: Callable[[], object], fault: Fault, times: int) -> RecsysError | None:
    """The work while the store is ill, and the error that it ended in."""
    shop.proxy.spoil(fault, times)
    try:
        do()
    except RecsysError as error:
        return error
    except Exception as error:
        error.add_note(f"under {fault.name}")
        raise
    finally:
        shop.proxy.heal()
    return None


def check(error: RecsysError | None, fault: Fault, name: str) -> None:
    if not (name == "setup" and fault.name in LIES):
        assert not isinstance(error, SettingError), fault.name
