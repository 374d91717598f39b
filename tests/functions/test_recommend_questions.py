"""Costly questions, and answers on which a library fails: neither stops recommend, nor other requests."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from common.edges.http_turns import Turns
from common.errors import Busy, CorruptError
from common.serving.filters import CatalogueFile
from common.usecases.recommend import question_bounds
from common.usecases.recommend.question_bounds import MAX_COLUMNS, MAX_FILTER_VALUES, MAX_LOOKS
from tests.asgi import Answer, Function
from tests.bundles import publish
from tests.memory import memory_context
from tests.storefront_shop import SOURCE, N, shop_layer

MAX_EACH = 50
"""Values of one list."""


@pytest.fixture
def function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    context = memory_context(tmp_path)
    publish(context.bucket, context.keys, [shop_layer(context.shop.pseudonymizer)], tmp_path)
    monkeypatch.setattr("common.edges.wiring.make_context", lambda _environment: context)
    function = Function("recommend", SOURCE)
    assert function.call("GET", "/readyz").status == 200
    yield function
    function.close()


def ask(function: Function, **fields: object) -> Answer:
    return function.call("POST", "/v1/recommendations", body=json.dumps(fields).encode())


def columns(n: int, n_values: int = 1) -> dict[str, list[str]]:
    return {f"column {number}": [f"value {value}" for value in range(n_values)] for number in range(n)}


def test_the_largest_filters_are_answered(function: Function) -> None:
    assert ask(function, attributes=columns(MAX_COLUMNS, MAX_FILTER_VALUES // MAX_COLUMNS)).status == 200
    names = [f"name {number}" for number in range(MAX_EACH)]
    assert ask(function, category=names, brand=names, attributes=columns(2, MAX_EACH)).status == 200


@pytest.mark.parametrize("in_body", [True, False])
def test_a_filter_that_is_too_large_as_a_whole_is_told_the_bound(function: Function, in_body: bool) -> None:
    def refused(attributes: dict[str, list[str]]) -> str:
        pairs = "&".join(f"attr.{name}={value}" for name, values in attributes.items() for value in values)
        url = "/v1/popular?" + pairs.replace(" ", "+")
        answer = ask(function, attributes=attributes) if in_body else function.call("GET", url)
        assert (answer.status, answer.json()["code"]) == (400, "bad_request")
        return str(answer.json()["detail"])

    assert f"at most {MAX_COLUMNS}" in refused(columns(MAX_COLUMNS + 1))
    assert f"at most {MAX_FILTER_VALUES}" in refused(columns(5, MAX_FILTER_VALUES // 5 + 1))


def test_what_a_question_may_cost_depends_on_the_catalogue(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter counts once and once more for each column; so does the narrower filter of each promotion."""
    fields = {"attributes": columns(2), "promote": ["brand:b1:1", "attr.colour:red:1"]}
    looks = N * (3 + 3 + 4)
    monkeypatch.setattr(question_bounds, "MAX_LOOKS", looks - 1)
    answer = ask(function, **fields)
    assert answer.status == 400
    assert f"{looks:,} times" in answer.json()["detail"]
    assert f"{looks - 1:,}" in answer.json()["detail"]
    monkeypatch.setattr(question_bounds, "MAX_LOOKS", looks)
    assert ask(function, **fields).status == 200
    monkeypatch.setattr(question_bounds, "MAX_LOOKS", 1)
    assert ask(function, category=["c1"], price_max=5, basket=["i8"]).status == 200


def test_the_document_of_the_api_says_the_bounds(function: Function) -> None:
    document = function.call("GET", "/openapi.json").body.decode()
    for bound in (MAX_COLUMNS, MAX_FILTER_VALUES, f"{MAX_LOOKS:,}"):
        assert f"{bound} " in document


class TestTurns:
    def test_few_run_at_once_and_the_others_wait_for_them(self) -> None:
        held, running = threading.Event(), threading.Barrier(3)

        def work() -> bool:
            running.wait(10)
            return held.wait(10)

        async def main() -> list[object]:
            turns = Turns(at_once=2, wait_s=10)
            first = [asyncio.create_task(turns.run(work)) for _ in range(2)]
            await asyncio.to_thread(running.wait, 10)
            third = asyncio.create_task(turns.run(lambda: "third"))
            await asyncio.sleep(0)
            assert not third.done()
            held.set()
            return [await third, *[await task for task in first]]

        assert asyncio.run(main()) == ["third", True, True]

    @pytest.mark.parametrize(("max_waiting", "wait_s"), [(9, 0.01), (0, 9.0)], ids=["too long", "too many"])
    def test_whoever_cannot_have_a_turn_is_told_so(self, max_waiting: int, wait_s: float) -> None:
        held = threading.Event()

        async def main() -> None:
            turns = Turns(1, max_waiting, wait_s)
            first = asyncio.create_task(turns.run(lambda: held.wait(10)))
            await asyncio.sleep(0)
            with pytest.raises(Busy):
                await turns.run(lambda: True)
            held.set()
            assert await first
            assert await turns.run(lambda: "again")

        # With no room to wait in, even the first would be refused.
        if max_waiting:
            asyncio.run(main())
        else:
            with pytest.raises(Busy):
                asyncio.run(Turns(1, max_waiting, wait_s).run(lambda: True))

    def test_a_failure_frees_the_turn(self) -> None:
        async def main() -> None:
            turns = Turns(at_once=1, wait_s=1)
            for _ in range(3):
                with pytest.raises(LookupError):
                    await turns.run(lambda: dict[str, str]()["nothing"])

        asyncio.run(main())


def test_a_busy_worker_says_so_and_answers_what_is_quick(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(_turns: Turns, _work: object) -> None:
        raise Busy("others took too long")

    monkeypatch.setattr(Turns, "run", busy)
    answer = ask(function, category=["c1"])
    assert (answer.status, answer.json()["code"]) == (503, "busy")
    assert answer.headers["retry-after"]
    assert ask(function, basket=["i8"]).status == 200


OF_DUCKDB = [
    duckdb.OutOfMemoryException("could not allocate block of /cache/secret"),
    duckdb.InternalException("/cache/secret"),
    duckdb.IOException("Could not read from file /cache/secret"),
]
OF_OTHERS = [
    RuntimeError("Error in faiss/impl"),
    IndexError("index 7 is out of bounds"),
    ValueError("operands could not be broadcast"),
    MemoryError("Unable to allocate 4 GiB"),
    OSError(5, "Input/output error", "/cache/secret"),
    CorruptError("catalog.duckdb of a served layer cannot be read"),
]


class Failing:
    """A connection or an index that raises."""

    def __init__(self, fault: Exception) -> None:
        self.fault = fault

    def __call__(self, *_: object) -> None:
        raise self.fault


def assert_told_once(function: Function, caplog: pytest.LogCaptureFixture, *questions: dict[str, list[str]]) -> None:
    for fields in questions:
        answer = ask(function, **fields)
        assert (answer.status, answer.json()["code"]) == (503, "unanswered")
        assert answer.headers["retry-after"]
        assert "/cache" not in answer.body.decode()
    assert caplog.messages == ["answers fail"]


@pytest.mark.parametrize("fault", OF_DUCKDB, ids=lambda fault: type(fault).__name__)
def test_whatever_duckdb_raises_is_a_503_and_told_once(
    function: Function, fault: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(CatalogueFile, "_open", Failing(fault))
    assert_told_once(function, caplog, *({"category": [f"c{number}"]} for number in range(3)))
    assert ask(function, basket=["i8"]).status == 200


@pytest.mark.parametrize("fault", OF_OTHERS, ids=lambda fault: type(fault).__name__)
def test_whatever_faiss_or_numpy_raises_is_a_503_and_told_once(
    function: Function, fault: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In a question with a new filter, which is made in a thread, and in one without."""
    monkeypatch.setattr("common.usecases.recommend.service.rank", Failing(fault))
    assert_told_once(function, caplog, {"category": ["c1"]}, {"basket": ["i8"]}, {"basket": ["i9"]})


def test_another_version_is_told_of_anew(
    function: Function, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("common.usecases.recommend.service.rank", Failing(IndexError("out of bounds")))
    service = function._module._function._service
    for bundle_id in ("another", "another", "a third"):
        served = service.watch.current
        served.document = served.document.model_copy(update={"bundle_id": bundle_id})
        assert function.call("GET", "/v1/popular").status == 503
    assert caplog.messages == ["answers fail"] * 2
