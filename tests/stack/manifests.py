"""Checks manifests field by field: Kubernetes' own by its published schemas, Knative's by its CRD.

A field that they do not know is a problem.
"""

from __future__ import annotations

import subprocess
import sysconfig
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

from common.config import Settings
from infra.local.manifest import TEMPLATE

OVERLAYS = sorted(path.parent for path in TEMPLATE.parent.glob("infra/kubernetes/*/kustomization.yaml"))

KUBERNETES = "1.34"
"""The oldest that Knative 1.22 runs on."""

KNATIVE_SERVICE = Path(__file__).with_name("schemas") / "knative-serving-service.crd.yaml"
LONGEST_REQUEST_S = 600
"""Knative's max-revision-timeout-seconds."""

SET_BY_KNATIVE = {"PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"}


def problems(document: Any) -> list[str]:
    """What a cluster would refuse in one document, each with the path of the field, or what could not work there; empty
    where all is well."""
    return _refusals(document) or _unending_training(document)


def _refusals(document: Any) -> list[str]:
    if document["apiVersion"].startswith("serving.knative.dev/"):
        validator = jsonschema.Draft202012Validator(_knative_schema())
        found = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)]
        return found or _rules_of_knative(document)
    try:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
        return [str(error)]
    return []


@cache
def rendered(overlay: Path) -> tuple[Any, ...]:
    """What kustomize, as kubectl has it, makes of an overlay."""
    kubectl = Path(sysconfig.get_path("scripts")) / "kubectl"
    command: list[str | Path] = [kubectl, "kustomize", "--load-restrictor", "LoadRestrictionsNone", overlay]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return tuple(yaml.safe_load_all(result.stdout))


def _unending_training(document: Any) -> list[str]:
    """Times that are over before training stops searching: it would be ended with nothing to show for."""
    pod = pod_of(document) or {}
    [container] = pod.get("containers", [{"image": ""}])
    if "/train:" not in container["image"]:
        return []
    env = {variable["name"]: variable.get("value") for variable in container["env"]}
    budget_s = env.get("RECSYS_TRAIN_BUDGET_S", Settings.model_fields["train_budget_s"].default)
    limits = {
        "timeoutSeconds": pod.get("timeoutSeconds"),
        "activeDeadlineSeconds": job_of(document).get("activeDeadlineSeconds"),
        "CLOUD_RUN_TIMEOUT_SECONDS": env.get("CLOUD_RUN_TIMEOUT_SECONDS"),
    }
    return [
        f"training may search for {budget_s} s, and {name} is {limit}"
        for name, limit in limits.items()
        if limit is not None and float(budget_s) >= float(limit)
    ]


def job_of(document: Any) -> Any:
    """The spec of the Job that a CronJob makes; empty for anything else."""
    return document["spec"]["jobTemplate"]["spec"] if document["kind"] == "CronJob" else {}


def pod_template(document: Any) -> Any:
    """Labels and spec of the pods that a document makes; empty where it makes none."""
    spec = job_of(document) or document.get("spec", {})
    return spec.get("template", {})


def pod_of(document: Any) -> Any | None:
    """The pod that a document describes; None where it describes none."""
    return pod_template(document).get("spec")


def _rules_of_knative(document: Any) -> list[str]:
    """What its webhook refuses and the schema does not say."""
    spec = document["spec"]["template"]["spec"]
    containers = spec["containers"]
    ports = [port for container in containers for port in container.get("ports", [])]
    names = {variable["name"] for container in containers for variable in container.get("env", [])}
    found = []
    if not 0 < spec["timeoutSeconds"] <= LONGEST_REQUEST_S:
        found.append(f"timeoutSeconds is {spec['timeoutSeconds']}; at most {LONGEST_REQUEST_S} are allowed")
    if len(ports) > 1:
        found.append(f"{len(ports)} container ports; one is allowed")
    if reserved := names & SET_BY_KNATIVE:
        found.append(f"Knative sets {', '.join(sorted(reserved))} itself")
    return found


@cache
def _knative_schema() -> Any:
    crd = yaml.safe_load(KNATIVE_SERVICE.read_text())
    [version] = crd["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    metadata = schema["properties"]["spec"]["properties"]["template"]["properties"]["metadata"]
    # The CRD leaves an object's own metadata to Kubernetes; that of a revision has the same fields.
    schema["properties"]["metadata"] = {name: metadata[name] for name in ("type", "properties")}
    return _closed(schema)


def _closed(schema: Any) -> Any:
    """`schema` with every object closed to fields it does not name."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed
