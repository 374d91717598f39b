"""template.yaml keeps what Knative, Kubernetes and the functions require of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.config import PREFIX, Settings, read_settings
from infra.local.manifest import TEMPLATE, Container, Function, Job, read_manifest

DOCUMENTS = list(yaml.safe_load_all(TEMPLATE.read_text()))
MANIFEST = read_manifest()
FUNCTIONS = {function.name: function for function in MANIFEST.functions}
JOBS = {job.name: job for job in MANIFEST.jobs}
PARTS: list[Function | Job] = [*MANIFEST.functions, *MANIFEST.jobs]
SET_BY_KNATIVE = {"PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"}
START_S = 600
"""What a start may take, and how long Knative waits for a revision (progress-deadline)."""
LONGEST_REQUEST_S = 600
"""Knative's max-revision-timeout-seconds."""


def names(parts: list[Any]) -> list[str]:
    return [part.name for part in parts]


def pods() -> list[Any]:
    services = [doc["spec"]["template"]["spec"] for doc in DOCUMENTS if doc["kind"] == "Service"]
    jobs = [doc["spec"]["jobTemplate"]["spec"]["template"]["spec"] for doc in DOCUMENTS if doc["kind"] == "CronJob"]
    return services + jobs


def service(name: str) -> Any:
    return next(doc for doc in DOCUMENTS if doc["kind"] == "Service" and doc["metadata"]["name"] == name)


def network_policy() -> Any:
    return next(doc["spec"] for doc in DOCUMENTS if doc["kind"] == "NetworkPolicy")


def test_says_first_that_it_is_not_sam() -> None:
    first = TEMPLATE.read_text().splitlines()[0]
    assert first.startswith("#")
    assert "Not AWS SAM" in first


def test_kinds_and_versions() -> None:
    kinds = [(doc["apiVersion"], doc["kind"]) for doc in DOCUMENTS]
    assert kinds == [
        ("v1", "Namespace"),
        ("v1", "ConfigMap"),
        ("networking.k8s.io/v1", "NetworkPolicy"),
        *[("serving.knative.dev/v1", "Service")] * 4,
        *[("batch/v1", "CronJob")] * 2,
    ]
    assert {doc["metadata"]["namespace"] for doc in DOCUMENTS[1:]} == {DOCUMENTS[0]["metadata"]["name"]}


def test_every_handler_is_deployed_and_every_deployed_handler_exists() -> None:
    sources = {function.container.env["FUNCTION_SOURCE"] for function in MANIFEST.functions}
    assert sources == {str(path.relative_to(TEMPLATE.parent)) for path in TEMPLATE.parent.glob("functions/*/main.py")}
    assert {function.container.env["FUNCTION_TARGET"] for function in MANIFEST.functions} == set(FUNCTIONS)


def test_only_recommend_is_public_and_always_there() -> None:
    for name in FUNCTIONS:
        labels = service(name)["metadata"].get("labels", {})
        scale = service(name)["spec"]["template"]["metadata"]["annotations"]["autoscaling.knative.dev/min-scale"]
        private = labels.get("networking.knative.dev/visibility") == "cluster-local"
        assert (private, scale) == ((False, "1") if name == "recommend" else (True, "0"))


@pytest.mark.parametrize("name", ["ingest", "update", "train"])
def test_workers_do_one_thing_at_a_time_within_their_timeout(name: str) -> None:
    function = FUNCTIONS[name]
    assert function.concurrency == 1
    # The function ends itself after that time: it must be the one at which Knative gives up.
    assert function.container.env["CLOUD_RUN_TIMEOUT_SECONDS"] == str(function.timeout_s)


def test_no_request_is_longer_than_knative_allows() -> None:
    assert all(0 < function.timeout_s <= LONGEST_REQUEST_S for function in MANIFEST.functions)


def test_training_stops_before_it_is_stopped() -> None:
    within = FUNCTIONS["train"]
    assert float(within.container.env["RECSYS_TRAIN_BUDGET_S"]) < within.timeout_s
    night = JOBS["train-nightly"]
    assert float(night.container.env["RECSYS_TRAIN_BUDGET_S"]) < night.deadline_s
    assert night.container.command == ("recsys", "train")


def test_jobs_do_not_overlap_and_do_not_pile_up() -> None:
    for document in (doc for doc in DOCUMENTS if doc["kind"] == "CronJob"):
        spec = document["spec"]
        assert spec["concurrencyPolicy"] == "Forbid"
        # Kubernetes looks every ten seconds: a shorter deadline may never start anything.
        assert spec["startingDeadlineSeconds"] > 10
        assert spec["timeZone"]
        assert "backoffLimit" in spec["jobTemplate"]["spec"]


@pytest.mark.parametrize("part", PARTS, ids=names(PARTS))
def test_environment_holds_no_reserved_name_and_no_secret_value(part: Function | Job) -> None:
    container = part.container
    assert not SET_BY_KNATIVE & container.env.keys()
    secret_settings = {
        f"{PREFIX}{name.upper()}" for name, info in Settings.model_fields.items() if "Secret" in str(info.annotation)
    }
    assert not secret_settings & container.env.keys()
    assert set(container.secrets) <= secret_settings


@pytest.mark.parametrize("part", PARTS, ids=names(PARTS))
def test_settings_are_complete_and_known(part: Function | Job) -> None:
    read_settings({**part.container.env, **dict.fromkeys(part.container.secrets, "5e" * 32)})


def test_functions_get_the_secrets_they_need_and_no_more() -> None:
    assert "RECSYS_TRIGGER_TOKEN" not in FUNCTIONS["recommend"].container.secrets
    assert "RECSYS_TOKEN_KEY" in FUNCTIONS["recommend"].container.secrets
    for name in ("ingest", "update", "train"):
        assert "RECSYS_TRIGGER_TOKEN" in FUNCTIONS[name].container.secrets
        assert "RECSYS_TOKEN_KEY" not in FUNCTIONS[name].container.secrets


def test_recommend_cannot_write_the_bucket() -> None:
    def identity(container: Container) -> str:
        return container.secrets["RECSYS_S3_SECRET_KEY"].name

    writers = {identity(part.container) for part in PARTS if part.name != "recommend"}
    assert identity(FUNCTIONS["recommend"].container) not in writers


@pytest.mark.parametrize("pod", pods(), ids=names(PARTS))
def test_containers_are_confined(pod: Any) -> None:
    container = pod["containers"][0]
    context = container["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    writable = {volume["name"] for volume in pod["volumes"] if "emptyDir" in volume}
    assert set(mounts) == {"/cache", "/tmp"}
    assert set(mounts.values()) == writable
    assert {"requests", "limits"} <= container["resources"].keys()
    assert "memory" in container["resources"]["limits"]


def test_calls_come_from_the_gateway_the_monitoring_and_the_namespace_itself() -> None:
    policy = network_policy()
    assert policy["podSelector"] == {}
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    [rule] = policy["ingress"]
    own, others = rule["from"]
    assert own == {"podSelector": {}}
    [expression] = others["namespaceSelector"]["matchExpressions"]
    assert (expression["key"], expression["operator"]) == ("kubernetes.io/metadata.name", "In")
    assert set(expression["values"]) == {"knative-serving", "kourier-system", "monitoring"}


def test_nothing_is_called_but_the_namespace_itself_names_and_https() -> None:
    own, names_of_hosts, store = network_policy()["egress"]
    assert own == {"to": [{"podSelector": {}}]}
    [resolver] = names_of_hosts["to"]
    assert resolver == {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    assert {(port["protocol"], port["port"]) for port in names_of_hosts["ports"]} == {("UDP", 53), ("TCP", 53)}
    [anywhere] = store["to"]
    assert "169.254.169.254/32" in anywhere["ipBlock"]["except"]
    assert [(port["protocol"], port["port"]) for port in store["ports"]] == [("TCP", 443)]


def test_the_cache_setting_fits_its_volume() -> None:
    limit = pods()[0]["volumes"][0]["emptyDir"]["sizeLimit"]
    match = re.fullmatch(r"(\d+)Gi", limit)
    assert match is not None
    assert int(MANIFEST.settings["RECSYS_CACHE_BYTES"]) < int(match[1]) << 30
    assert Path(MANIFEST.settings["RECSYS_CACHE_DIR"]) == Path("/cache")


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_probes_suit_the_function(name: str) -> None:
    container = service(name)["spec"]["template"]["spec"]["containers"][0]
    probe = container["readinessProbe"]
    if FUNCTIONS[name].concurrency == 1:
        assert probe["httpGet"]["path"] == "/healthz"  # which is answered while it works, too
        assert "livenessProbe" not in container
    else:
        assert probe["httpGet"]["path"] == "/startedz"
        assert container["startupProbe"]["httpGet"] == probe["httpGet"]
        assert container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"] == START_S
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"


def test_bucket_events_name_what_functions_handle() -> None:
    prefixes = {name: function.event_prefixes for name, function in FUNCTIONS.items() if function.event_prefixes}
    assert prefixes == {
        "ingest": ("incoming/events/", "incoming/items/", "incoming/erasures/"),
        "update": ("store/current.json",),
    }
