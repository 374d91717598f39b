"""Alerts and dashboard ask for figures that the functions expose, with labels and values that these have."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final, get_args

import promql_parser
import pytest
import yaml

from common.edges.http_metrics import Metrics
from common.edges.http_routes import PATHS, Endpoint
from common.edges.triggers import Trigger
from common.schemas.documents import RunState
from common.schemas.kind import Kind
from common.serving.ranking import Rung
from common.usecases.recommend.answer_cache import Extent
from common.usecases.shared.runs import Function
from infra.local.manifest import TEMPLATE, read_manifest
from tests.stack.manifests import OVERLAYS, pod_of, pod_template, rendered

MONITORING = TEMPLATE.parent / "infra" / "monitoring"
RULES = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
QUERIES = {rule["alert"]: rule["expr"] for rule in RULES} | {
    f"{panel['title']}, {target['legendFormat']}": target["expr"]
    for panel in DASHBOARD["panels"]
    for target in panel["targets"]
}
POD_MONITOR = yaml.safe_load((MONITORING / "podmonitor.yaml").read_text())
SCRAPE = yaml.safe_load((MONITORING / "scrape.yaml").read_text())["scrape_configs"]
OF_KUBERNETES = {"kube_job_status_failed"}
"""Of kube-state-metrics."""

VALUES: Final[dict[str, Collection[str]]] = {
    "endpoint": set(Endpoint),
    "rung": set(Rung),
    "kind": set(Kind),
    "extent": set(Extent),
    "function": set(get_args(Function)),
    "outcome": {*RunState, "internal"},
    "namespace": {"recsys"},
}


def exposed() -> set[str]:
    """Names of series, as both kinds of functions write them."""
    texts = [
        Metrics().exposition(None),
        Trigger("train", lambda _headers, _body: None, lambda _ctx, _order: [])._metrics.exposition(),
    ]
    return {name for text in texts for name in series(text.decode())}


def series(text: str) -> Iterator[str]:
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", text, flags=re.MULTILINE):
        yield from (f"{name}_{part}" for part in ("bucket", "sum", "count")) if kind == "histogram" else (name,)


def selectors(query: str) -> list[Any]:
    found: list[Any] = []

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        return True

    promql_parser.walk(promql_parser.parse(query), visit)
    return found


def unknown(query: str) -> list[str]:
    """Names of series that nobody exposes, and values of labels that no series has."""
    known = exposed() | OF_KUBERNETES
    found = [selector.name for selector in selectors(query) if selector.name not in known]
    for selector in selectors(query):
        for matcher in selector.matchers.matchers:
            allowed = VALUES.get(matcher.name)
            if allowed is not None:
                found += [value for value in matcher.value.split("|") if value not in allowed]
    return found


@pytest.mark.parametrize("name", QUERIES)
def test_every_query_asks_for_what_is_exposed(name: str) -> None:
    assert selectors(QUERIES[name])
    assert unknown(QUERIES[name]) == []


@pytest.mark.parametrize(
    "query", ["rate(recsys_request_total[5m])", 'recsys_runs_total{outcome="ended"}', 'recsys_items_total{rung="best"}']
)
def test_a_query_for_what_is_not_there_is_found(query: str) -> None:
    assert unknown(query)


def test_every_figure_of_ours_is_on_the_dashboard_or_raises_an_alert() -> None:
    asked = {selector.name for query in QUERIES.values() for selector in selectors(query)}
    ours = {
        name for name in exposed() if name.startswith("recsys_") and not name.endswith(("_sum", "_count", "_created"))
    }
    assert ours <= asked


def test_every_alert_is_in_the_runbook() -> None:
    runbook = (TEMPLATE.parent / "docs" / "runbook.md").read_text()
    assert [rule["alert"] for rule in RULES if f"`{rule['alert']}`" not in runbook] == []


@pytest.mark.parametrize("name", ["UploadsRefused", "UploadsWait", "NightMissing"])
def test_what_jobs_do_is_asked_of_recommend(name: str) -> None:
    """A job is over before Prometheus could ask it."""
    of_recommend = set(series(Metrics().exposition(None).decode()))
    assert {selector.name for selector in selectors(QUERIES[name])} <= of_recommend


LABELS_OF_TARGETS = {"namespace", "pod"}
"""What the dashboard takes from the target. The operator names every target so."""


def test_one_host_scrapes_every_function_under_the_labels_that_are_asked_for() -> None:
    compose = yaml.safe_load((TEMPLATE.parent / "infra" / "compose.yaml").read_text())
    [job] = SCRAPE
    assert job.keys() <= {"job_name", "scrape_interval", "metrics_path", "static_configs"}
    found = {config["labels"]["pod"]: config for config in job["static_configs"]}
    assert found.keys() == {function.name for function in read_manifest().functions} <= compose["services"].keys()
    for name, config in found.items():
        assert config["targets"] == [f"{name}:8080"]
        assert config["labels"].keys() == LABELS_OF_TARGETS
        assert config["labels"]["namespace"] in VALUES["namespace"]


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda overlay: overlay.name)
def test_the_operator_finds_every_function_and_nothing_else(overlay: Path) -> None:
    assert (POD_MONITOR["apiVersion"], POD_MONITOR["kind"]) == ("monitoring.coreos.com/v1", "PodMonitor")
    assert POD_MONITOR["metadata"]["namespace"] in VALUES["namespace"]
    assert POD_MONITOR["spec"].keys() == {"selector", "podMetricsEndpoints"}
    wanted = POD_MONITOR["spec"]["selector"]["matchLabels"].items()
    [endpoint] = POD_MONITOR["spec"]["podMetricsEndpoints"]
    templates = {doc["metadata"]["name"]: pod_template(doc) for doc in rendered(overlay) if pod_of(doc)}
    found = {
        name: template["spec"]["containers"][0]["ports"]
        for name, template in templates.items()
        if wanted <= template.get("metadata", {}).get("labels", {}).items()
    }
    port = [{"containerPort": endpoint["portNumber"]}]
    assert found == {function.name: port for function in read_manifest().functions}


def test_the_operator_leaves_our_own_labels_alone() -> None:
    """It adds `endpoint`, after which `recsys_requests_total` would name the port's instead of the API's."""
    [endpoint] = POD_MONITOR["spec"]["podMetricsEndpoints"]
    assert endpoint.keys() == {"portNumber", "path", "interval", "honorLabels"}
    assert endpoint["honorLabels"] is True
    assert endpoint["path"] == PATHS[Endpoint.METRICS]
