"""The deployment is what the published schemas of Kubernetes and Knative say, and each check of it can fail."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.local.manifest import TEMPLATE
from tests.stack.manifests import OVERLAYS, pod_of, problems, rendered

TEMPLATE_DOCUMENTS = list(yaml.safe_load_all(TEMPLATE.read_text()))

Fault = Callable[[Any], None]


def document(kind: str, name: str) -> Any:
    return next(
        copy.deepcopy(doc) for doc in TEMPLATE_DOCUMENTS if (doc["kind"], doc["metadata"]["name"]) == (kind, name)
    )


def pod(service: Any) -> Any:
    return service["spec"]["template"]["spec"]


def container(service: Any) -> Any:
    return pod(service)["containers"][0]


@pytest.mark.parametrize("doc", TEMPLATE_DOCUMENTS, ids=lambda doc: f"{doc['kind']}-{doc['metadata']['name']}")
def test_template(doc: Any) -> None:
    assert problems(doc) == []


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda overlay: overlay.name)
def test_overlays(overlay: Path) -> None:
    found = {f"{doc['kind']} {doc['metadata']['name']}": problems(doc) for doc in rendered(overlay)}
    assert {name: problem for name, problem in found.items() if problem} == {}


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda overlay: overlay.name)
def test_the_namespace_takes_no_pod_that_asks_for_more_than_those_that_are_there(overlay: Path) -> None:
    """Kubernetes' Pod Security Standard "restricted", as far as these pods could break it."""
    [namespace] = [doc for doc in rendered(overlay) if doc["kind"] == "Namespace"]
    assert namespace["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    pods = [pod for doc in rendered(overlay) if (pod := pod_of(doc))]
    assert len(pods) >= 6
    for pod in pods:
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
        assert all(volume.keys() & {"emptyDir", "secret", "configMap"} for volume in pod["volumes"])
        for context in (container["securityContext"] for container in pod["containers"]):
            assert context["runAsNonRoot"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda overlay: overlay.name)
def test_no_pod_is_given_a_key_to_the_cluster(overlay: Path) -> None:
    pods = {doc["metadata"]["name"]: pod for doc in rendered(overlay) if (pod := pod_of(doc))}
    assert [name for name, pod in pods.items() if pod.get("automountServiceAccountToken") is not False] == []


FAULTS_OF_A_SERVICE: dict[str, tuple[Fault, str]] = {
    "unknown field of the object": (lambda doc: doc.update(spce={}), "spce"),
    "unknown field of its metadata": (lambda doc: doc["metadata"].update(lables={}), "lables"),
    "unknown field of the pod": (lambda doc: pod(doc).update(timeoutSecond=1), "timeoutSecond"),
    "unknown field of the container": (lambda doc: container(doc).update(imagePullPolciy="Always"), "imagePullPolciy"),
    "unknown field of a probe": (lambda doc: container(doc)["readinessProbe"].update(period=1), "period"),
    "unknown field of a secret's reference": (
        lambda doc: container(doc)["env"][-1]["valueFrom"]["secretKeyRef"].update(secret="x"),
        "secret",
    ),
    "a number for a string": (lambda doc: container(doc)["env"][0].update(value=1), "value"),
    "a string for a number": (lambda doc: pod(doc).update(containerConcurrency="1"), "containerConcurrency"),
    "longer than Knative allows": (lambda doc: pod(doc).update(timeoutSeconds=601), "601"),
    "a second port": (lambda doc: container(doc)["ports"].append({"containerPort": 9}), "2 container ports"),
    "PORT in the environment": (lambda doc: container(doc)["env"].append({"name": "PORT", "value": "1"}), "PORT"),
}


@pytest.mark.parametrize("name", FAULTS_OF_A_SERVICE)
def test_a_fault_in_a_knative_service_is_found(name: str) -> None:
    plant, mentioned = FAULTS_OF_A_SERVICE[name]
    service = document("Service", "ingest")
    plant(service)
    assert mentioned in " ".join(problems(service))


FAULTS_OF_KUBERNETES: dict[str, tuple[str, str, Fault]] = {
    "unknown field of a CronJob": ("CronJob", "sweep", lambda doc: doc["spec"].update(concurrencyPolice="Forbid")),
    "a CronJob without a schedule": ("CronJob", "sweep", lambda doc: doc["spec"].pop("schedule")),
    "a deadline in words": ("CronJob", "sweep", lambda doc: doc["spec"].update(startingDeadlineSeconds="5m")),
    "unknown field of a NetworkPolicy": ("NetworkPolicy", "recsys", lambda doc: doc["spec"].update(engress=[])),
    "a number in a ConfigMap": ("ConfigMap", "recsys-settings", lambda doc: doc["data"].update(RECSYS_SEED=1)),
    "a version that is not": ("CronJob", "sweep", lambda doc: doc.update(apiVersion="batch/v1beta7")),
}


@pytest.mark.parametrize("name", FAULTS_OF_KUBERNETES)
def test_a_fault_in_an_object_of_kubernetes_is_found(name: str) -> None:
    kind, object_name, plant = FAULTS_OF_KUBERNETES[name]
    planted = document(kind, object_name)
    plant(planted)
    assert problems(planted)


def set_budget(doc: Any, value: str) -> None:
    spec = doc["spec"]["jobTemplate"]["spec"] if doc["kind"] == "CronJob" else doc["spec"]
    [variable] = [
        variable
        for variable in spec["template"]["spec"]["containers"][0]["env"]
        if variable["name"] == "RECSYS_TRAIN_BUDGET_S"
    ]
    variable["value"] = value


@pytest.mark.parametrize(
    ("name", "budget_s", "mentioned"),
    [
        ("train", "600", ["timeoutSeconds is 600", "CLOUD_RUN_TIMEOUT_SECONDS is 600"]),
        ("train-nightly", "14400", ["activeDeadlineSeconds is 14400"]),
    ],
)
def test_a_search_that_is_not_over_in_time_is_found(name: str, budget_s: str, mentioned: list[str]) -> None:
    [planted] = [copy.deepcopy(doc) for doc in TEMPLATE_DOCUMENTS if doc["metadata"]["name"] == name]
    set_budget(planted, budget_s)
    assert [problem.partition(", and ")[2] for problem in problems(planted)] == mentioned


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda overlay: overlay.name)
def test_it_is_found_in_what_an_overlay_makes(overlay: Path) -> None:
    trainings = [copy.deepcopy(doc) for doc in rendered(overlay) if "/train:" in yaml.safe_dump(doc)]
    assert len(trainings) == 2
    for planted in trainings:
        set_budget(planted, "86400")
        assert "may search for 86400 s" in " ".join(problems(planted))


@pytest.mark.parametrize("name", ["k3s", "eu-managed"])
def test_an_overlay_for_a_place_names_no_image_and_no_store_of_the_template(name: str) -> None:
    [overlay] = [overlay for overlay in OVERLAYS if overlay.name == name]
    text = yaml.safe_dump_all(rendered(overlay))
    assert "registry.example.eu" not in text
    assert "s3.example.eu" not in text


def test_parallel_training_shares_its_trials_and_reaches_them() -> None:
    [overlay] = [overlay for overlay in OVERLAYS if overlay.name == "parallel-training"]
    [night] = [doc for doc in rendered(overlay) if doc["metadata"]["name"] == "train-nightly"]
    job = night["spec"]["jobTemplate"]["spec"]
    assert (job["completionMode"], job["completions"]) == ("Indexed", job["parallelism"])
    secrets = {
        env["name"]: env["valueFrom"] for env in job["template"]["spec"]["containers"][0]["env"] if "valueFrom" in env
    }
    assert secrets["RECSYS_OPTUNA_STORAGE"] == {"secretKeyRef": {"name": "recsys-trials", "key": "url"}}
    [policy] = [doc for doc in rendered(overlay) if doc["kind"] == "NetworkPolicy"]
    assert 5432 in {port["port"] for rule in policy["spec"]["egress"] for port in rule.get("ports", [])}


def test_without_knative_the_pods_are_those_of_the_template() -> None:
    overlay = next(overlay for overlay in OVERLAYS if overlay.name == "without-knative")
    deployments = {doc["metadata"]["name"]: doc for doc in rendered(overlay) if doc["kind"] == "Deployment"}
    services = {doc["metadata"]["name"]: doc for doc in rendered(overlay) if doc["kind"] == "Service"}
    assert set(deployments) == set(services) == {"recommend", "ingest", "update", "train"}
    for name, deployment in deployments.items():
        assert container(deployment) == container(document("Service", name))
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"] == labels == services[name]["spec"]["selector"]
        assert (deployment["spec"]["replicas"] == 1) == (name != "recommend")
