"""The update function over its HTTP interface, on a real S3 server: event → new layer → another recommendation."""

from __future__ import annotations

import json

import pytest

from common.config import Purchased
from common.usecases.recommend.service import Query, RecommendService
from common.usecases.shared.context import Context
from tests.caller import Caller, client_of
from tests.shops import Event
from tests.stored import Item, add_batch, fit, publish, served_document

TEA, SHOES = ("tea1", "tea2", "tea3"), ("shoe1", "shoe2", "shoe3")
EVENTS = [Event(f"u{number}", item, number + 0.1) for number in range(8) for item in (TEA if number % 2 else SHOES)]
ITEMS = [*(Item(tea, "tea", "assam", 5.0) for tea in TEA), *(Item(shoe, "shoes", "acme", 80.0) for shoe in SHOES)]


@pytest.fixture
def function(environment: dict[str, str], fresh_logs: None, monkeypatch: pytest.MonkeyPatch) -> Caller:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return client_of("update")


def notice(ctx: Context) -> dict[str, object]:
    """What SeaweedFS posts when the store's current document is replaced."""
    parent = f"/buckets/{ctx.settings.bucket}/{ctx.keys.store.rstrip('/')}"
    entry = {"name": "current.json", "attributes": {"file_size": 1}}
    message = {"old_entry": entry, "new_entry": entry, "new_parent_path": parent}
    return {"key": f"{parent}/current.json", "event_type": "update", "message": message}


def recommended(service: RecommendService, user: str, n: int = 3) -> list[str]:
    service.watch.refresh()
    answer = json.loads(service.recommend(Query(n=n, user_id=user, purchased=Purchased.SHOW)).body)
    return [item["item_id"] for item in answer["items"]]


@pytest.mark.s3
def test_an_event_changes_what_is_recommended(function: Caller, context: Context, environment: dict[str, str]) -> None:
    token = {"Authorization": f"Bearer {environment['RECSYS_TRIGGER_TOKEN']}"}
    nothing_served = function.post("/", json={}, headers=token)
    assert nothing_served.status_code == 200
    add_batch(context, EVENTS, ITEMS)
    publish(context, *fit(context))
    service = RecommendService(context)
    assert set(recommended(service, "u1")) == set(TEA)

    purchases = [Event("u1", shoe, 20) for shoe in SHOES for _ in range(5)]
    add_batch(context, [*purchases, Event("newcomer", "tea1", 20)], [Item("tea9", "tea", "assam", 5.5)])
    assert function.post("/", json=notice(context)).status_code == 401
    assert served_document(context).bundle.covers_seq == 1

    response = function.post("/", json=notice(context), headers=token)
    assert response.status_code == 200
    assert response.json is not None
    [run] = response.json["runs"]
    assert (run["state"], run["counts"]) == ("done", {"items": 1, "users": 2})
    assert set(recommended(service, "u1")) & set(SHOES)
    assert set(recommended(service, "newcomer", 4)) == {*TEA, "tea9"}

    again = function.post("/", json=notice(context), headers=token)
    assert again.json is not None
    assert again.json["runs"][0]["counts"] == {}
    assert 'recsys_runs_total{function="update",outcome="done"} 3.0' in function.get("/metrics").text
