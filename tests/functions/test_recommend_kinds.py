"""The kinds over the HTTP interface: what is asked for by name, and what stays as it was without one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from common.schemas.kind import Kind
from common.serving.kinds import DECLARATIONS, Need
from common.serving.ranking import Pick
from tests.asgi import Answer, Function
from tests.bundles import publish
from tests.memory import memory_context
from tests.storefront_shop import SOURCE, TOKEN_KEY, ids, shop_layer, token

URL = "/v1/recommendations"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    directory = tmp_path_factory.mktemp("kinds")
    context = memory_context(directory, token_key=TOKEN_KEY, new_share=4)
    publish(context.bucket, context.keys, [shop_layer(context.shop.pseudonymizer)], directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("common.edges.wiring.make_context", lambda _environment: context)
        function = Function("recommend", SOURCE)
        assert function.call("GET", "/readyz").status == 200
        yield function
        function.close()


def post(function: Function, headers: dict[str, str] | None = None, **fields: object) -> Answer:
    return function.call("POST", URL, headers, body=json.dumps(fields).encode())


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_answers_by_its_name(served: Function, kind: Kind) -> None:
    for headers in ({}, token()):
        for answer in (
            served.call("GET", f"{URL}?kind={kind}&item_id=i5", headers),
            post(served, headers, kind=kind, item_id="i5", basket=["i8"], viewed=["i9"], session=[{"item_id": "i7"}]),
        ):
            assert answer.status == 200, answer.body
            assert list(answer.json()) == ["bundle_id", "model", "kind", "items"]
            assert answer.json()["kind"] == kind
            assert [item["rank"] for item in answer.json()["items"]] == list(range(1, len(ids(answer)) + 1))


def test_without_a_kind_nothing_is_named(served: Function) -> None:
    for answer in (served.call("GET", URL), served.call("GET", "/v1/popular"), post(served, basket=["i8"])):
        assert list(answer.json()) == ["bundle_id", "model", "items"]


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("similar&item_id=i5", "/v1/items/i5/similar?"),
        ("bought-together&item_id=i5", "/v1/items/i5/bought-together?"),
        ("popular", "/v1/popular?"),
    ],
)
@pytest.mark.parametrize("fields", ["&n=6", "&n=3&category=c1&exclude=i1", "&n=8&max_per_category=1&price_min=10"])
def test_the_older_paths_are_aliases(served: Function, kind: str, path: str, fields: str) -> None:
    assert (
        served.call("GET", f"{URL}?kind={kind}{fields}").json()["items"]
        == (served.call("GET", path + fields.removeprefix("&")).json()["items"])
    )


@pytest.mark.parametrize("kind", [kind for kind in Kind if DECLARATIONS[kind].needs is Need.ITEM])
def test_a_kind_about_an_item_needs_one_that_is_there(served: Function, kind: Kind) -> None:
    for answer in (served.call("GET", f"{URL}?kind={kind}"), post(served, kind=kind, basket=["i5"])):
        assert (answer.status, answer.json()["code"]) == (400, "bad_request")
        assert "item_id" in answer.json()["detail"]
    absent = served.call("GET", f"{URL}?kind={kind}&item_id=absent")
    assert (absent.status, absent.json()["code"]) == (404, "not_found")


def test_an_unknown_kind_is_told_the_known_ones(served: Function) -> None:
    for answer in (served.call("GET", f"{URL}?kind=liked"), post(served, kind="liked")):
        assert (answer.status, answer.json()["code"]) == (400, "bad_request")
        assert "'kind'" in answer.json()["detail"]
        assert "because-you-viewed" in answer.json()["detail"]
    assert served.call("GET", "/v1/popular?kind=popular").status == 400


def test_for_you_leaves_out_what_was_bought_unless_told(served: Function) -> None:
    every = f"{URL}?kind=for-you&n=60"
    assert not {"i1", "i2", "i3"} & set(ids(served.call("GET", every, token())))
    assert {"i1", "i2", "i3"} < set(ids(served.call("GET", f"{every}&purchased=show", token())))
    assert [item["rung"] for item in served.call("GET", f"{URL}?kind=for-you&n=3").json()["items"]] == ["popular"] * 3


def test_buy_again_and_because_you_bought_know_the_person_only(served: Function) -> None:
    again = served.call("GET", f"{URL}?kind=buy-again", token())
    assert set(ids(again)) == {"i1", "i2", "i3"}
    because = served.call("GET", f"{URL}?kind=because-you-bought", token())
    assert {item["reason"]["item_id"] for item in because.json()["items"]} <= {"i1", "i2", "i3"}
    for kind in ("buy-again", "because-you-bought", "because-you-viewed", "recently-viewed"):
        assert ids(served.call("GET", f"{URL}?kind={kind}")) == []
        assert ids(served.call("GET", f"{URL}?kind={kind}", token("nobody we know"))) == []


def test_a_basket_gets_what_goes_with_it(served: Function) -> None:
    answer = post(served, kind="basket", basket=["i5", "i8", "unknown"], viewed=["i40"], n=12)
    assert set(ids(answer)[:3]) == {"i40", "i41", "i42"}
    assert {item["reason"]["code"] for item in answer.json()["items"]} == {"in_your_basket"}
    empty = post(served, kind="basket", basket=["unknown"], n=3)
    assert {item["rung"] for item in empty.json()["items"]} == {"popular"}


def test_what_was_viewed_comes_again(served: Function) -> None:
    viewed = ["i7", "i8", "unknown", "i7", "i9"]
    again = post(served, kind="recently-viewed", viewed=viewed, item_id="i8")
    assert ids(again) == ["i9", "i7"]
    because = post(served, kind="because-you-viewed", viewed=viewed)
    assert {item["reason"]["item_id"] for item in because.json()["items"]} == {"i9"}
    assert {item["reason"]["code"] for item in because.json()["items"]} == {"because_you_viewed"}


def test_what_is_the_same_for_everybody_may_be_kept_by_caches(served: Function) -> None:
    def kept(url: str, headers: dict[str, str] | None = None) -> bool:
        return "public" in served.call("GET", url, headers or {}).headers["cache-control"]

    public = {kind for kind in Kind if kept(f"{URL}?kind={kind}&item_id=i5&n=2")}
    assert public == {Kind.SIMILAR, Kind.BOUGHT_TOGETHER, Kind.POPULAR, Kind.NEWEST, Kind.ON_SALE}
    assert not kept(f"{URL}?kind=popular", token())
    assert not kept(URL)
    assert "public" not in post(served, kind="popular").headers["cache-control"]


def test_one_answer_is_not_given_for_another_kind(served: Function) -> None:
    """Also where both come from the cache."""
    for _ in range(2):
        answers = [served.call("GET", f"{URL}?kind={kind}&item_id=i5", token()).json()["kind"] for kind in Kind]
        assert answers == list(Kind)


def test_metrics_tell_what_was_asked_for_and_how_much_was_there(served: Function) -> None:
    def figures() -> dict[tuple[str, str], float]:
        text = served.call("GET", "/metrics").body.decode()
        found = re.findall(r'^recsys_lists_total\{extent="(\w+)",kind="([\w-]+)"\} (\S+)$', text, re.MULTILINE)
        return {(kind, extent): float(count) for extent, kind, count in found}

    before = figures()
    assert len(before) == 3 * len(Kind)
    for url in (f"{URL}?kind=buy-again&n=3", f"{URL}?kind=buy-again&n=4", f"{URL}?kind=popular&n=2", URL):
        served.call("GET", url, token())
    served.call("GET", f"{URL}?kind=buy-again&n=5")
    counted = {key: count - before[key] for key, count in figures().items() if count != before[key]}
    assert counted == {
        ("buy-again", "full"): 1, ("buy-again", "part"): 1, ("buy-again", "empty"): 1, ("popular", "full"): 1,
    }  # fmt: skip


def test_precomputed_answers_are_used_for_you(served: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[Kind] = []

    def ranked(_bundle: object, kind: Kind, *_: object, **_places: object) -> list[Pick]:
        searched.append(kind)
        return []

    monkeypatch.setattr("common.usecases.recommend.service.rank_kind", ranked)
    assert len(ids(served.call("GET", f"{URL}?kind=for-you&n=13", token()))) == 13
    assert searched == []
    for narrowed in ("exclude=i9", "purchased=show", "item_id=i5", "category=c1"):
        served.call("GET", f"{URL}?kind=for-you&n=13&{narrowed}", token())
    assert searched == [Kind.FOR_YOU] * 4
