"""What is for operators is not there for whoever comes through the way in of the public."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from common.edges.http_function import FOR_OPERATORS
from common.edges.http_routes import PATHS, Endpoint
from tests.asgi import Function
from tests.memory import memory_context
from tests.stack.manifests import OVERLAYS, rendered
from tests.storefront_shop import SOURCE

PROXIED = [
    {"X-Forwarded-For": "10.0.0.7"},
    {"Forwarded": "for=10.0.0.7"},
    {"Via": "1.1 gateway"},
    {"x-forwarded-for": ""},
]
PROBED = {Endpoint.HEALTHZ, Endpoint.STARTEDZ}


@pytest.fixture
def function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Function]:
    context = memory_context(tmp_path)
    monkeypatch.setattr("common.edges.wiring.make_context", lambda _environment: context)
    function = Function("recommend", SOURCE)
    assert function.call("GET", "/v1/popular").status == 503
    yield function
    function.close()


@pytest.mark.parametrize("headers", PROXIED, ids=str)
@pytest.mark.parametrize("endpoint", sorted(FOR_OPERATORS))
def test_through_a_proxy_it_is_as_if_the_path_were_unknown(
    function: Function, endpoint: Endpoint, headers: dict[str, str]
) -> None:
    refused, unknown = (function.call("GET", path, headers) for path in (PATHS[endpoint], "/else"))
    assert refused.status == unknown.status == 404
    assert {**refused.json(), "request_id": ""} == {**unknown.json(), "request_id": ""}
    assert function.call("OPTIONS", PATHS[endpoint], headers).status == 404
    assert function.call("GET", PATHS[endpoint]).status == (200 if endpoint is Endpoint.METRICS else 503)


@pytest.mark.parametrize("endpoint", sorted(PROBED))
def test_a_probe_may_come_through_queue_proxy(function: Function, endpoint: Endpoint) -> None:
    answer = function.call("GET", PATHS[endpoint], {"X-Forwarded-For": "127.0.0.1", "K-Kubelet-Probe": "queue"})
    assert answer.status == 200
    assert list(answer.json()) == ["status"]


def test_an_ingress_has_the_storefronts_paths_only() -> None:
    [overlay] = [overlay for overlay in OVERLAYS if overlay.name == "without-knative"]
    [ingress] = [document for document in rendered(overlay) if document["kind"] == "Ingress"]
    [rule] = ingress["spec"]["rules"]
    paths = {(path["path"], path["pathType"]) for path in rule["http"]["paths"]}
    hidden = [PATHS[endpoint] for endpoint in (*FOR_OPERATORS, Endpoint.STARTEDZ)]
    assert not [path for path in hidden if any(_leads(*those, path) for those in paths)]
    others = [path for endpoint, path in PATHS.items() if path not in hidden]
    assert all(any(_leads(*those, path) for those in paths) for path in others)


def _leads(path: str, kind: str, asked: str) -> bool:
    return asked == path or (kind == "Prefix" and asked.startswith(path.rstrip("/") + "/"))


def test_probes_ask_for_what_is_there_for_them() -> None:
    for overlay in OVERLAYS:
        for document in rendered(overlay):
            pod = document.get("spec", {}).get("template", {}).get("spec", {})
            for container in pod.get("containers", ()):
                probes = [container[name] for name in container if name.endswith("Probe")]
                asked = {probe["httpGet"]["path"] for probe in probes if "httpGet" in probe}
                assert asked <= {PATHS[endpoint] for endpoint in PROBED} | {"/status", "/healthz"}, document["metadata"]
