"""The functions and jobs of template.yaml as values. The local stack has no other description of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from common.cli.template import annotated_prefixes

TEMPLATE = Path(__file__).parents[2] / "template.yaml"


class ManifestError(Exception):
    """The local stack cannot follow template.yaml; the message names the document."""


@dataclass(frozen=True)
class SecretRef:
    """A key of a Secret."""

    name: str
    key: str


@dataclass(frozen=True)
class Container:
    """A container of a pod. `image` is the last part of the image's name, without its tag.

    `env` holds variables with plain values, those of ConfigMaps included; `secrets` those with values of Secrets."""

    image: str
    command: tuple[str, ...]
    env: dict[str, str]
    secrets: dict[str, SecretRef]


@dataclass(frozen=True)
class Function:
    """A Knative Service. New objects under `event_prefixes` call it; `timeout_s` limits a request."""

    name: str
    container: Container
    concurrency: int
    timeout_s: int
    event_prefixes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """A CronJob. `schedule` is a cron expression of five fields in `time_zone`.

    `deadline_s` limits a run. A run that would start more than `starting_deadline_s` late is skipped."""

    name: str
    container: Container
    schedule: str
    time_zone: str
    starting_deadline_s: int
    deadline_s: int


@dataclass(frozen=True)
class Manifest:
    """The content of template.yaml. `settings` are the values of all ConfigMaps."""

    functions: tuple[Function, ...]
    jobs: tuple[Job, ...]
    settings: dict[str, str] = field(default_factory=dict)

    def secret_refs(self) -> set[SecretRef]:
        containers = [function.container for function in self.functions] + [job.container for job in self.jobs]
        return {ref for container in containers for ref in container.secrets.values()}

    def function(self, name: str) -> Function:
        return next(function for function in self.functions if function.name == name)


def read_manifest(path: Path = TEMPLATE) -> Manifest:
    """Reads template.yaml. Raises `ManifestError`."""
    documents = [document for document in yaml.safe_load_all(path.read_text()) if document]
    config_maps = {doc["metadata"]["name"]: doc["data"] for doc in documents if doc["kind"] == "ConfigMap"}
    services = [doc for doc in documents if doc["kind"] == "Service"]
    cron_jobs = [doc for doc in documents if doc["kind"] == "CronJob"]
    return Manifest(
        functions=tuple(_function(doc, config_maps) for doc in services),
        jobs=tuple(_job(doc, config_maps) for doc in cron_jobs),
        settings={name: value for data in config_maps.values() for name, value in data.items()},
    )


def _function(document: Mapping[str, Any], config_maps: Mapping[str, dict[str, str]]) -> Function:
    spec = document["spec"]["template"]["spec"]
    return Function(
        name=document["metadata"]["name"],
        container=_container(document, spec, config_maps),
        concurrency=spec["containerConcurrency"],
        timeout_s=spec["timeoutSeconds"],
        event_prefixes=annotated_prefixes(document["metadata"]),
    )


def _job(document: Mapping[str, Any], config_maps: Mapping[str, dict[str, str]]) -> Job:
    spec = document["spec"]
    job_spec = spec["jobTemplate"]["spec"]
    return Job(
        name=document["metadata"]["name"],
        container=_container(document, job_spec["template"]["spec"], config_maps),
        schedule=spec["schedule"],
        time_zone=spec["timeZone"],
        starting_deadline_s=spec["startingDeadlineSeconds"],
        deadline_s=job_spec["activeDeadlineSeconds"],
    )


def _container(
    document: Mapping[str, Any], pod: Mapping[str, Any], config_maps: Mapping[str, dict[str, str]]
) -> Container:
    """The only container of a pod, with the values of its ConfigMaps."""
    name = document["metadata"]["name"]
    if len(pod["containers"]) != 1:
        raise ManifestError(f"{document['kind']} {name} has {len(pod['containers'])} containers; one is expected")
    container = pod["containers"][0]
    env: dict[str, str] = {}
    for map_name in _config_map_names(container):
        if map_name not in config_maps:
            raise ManifestError(
                f"{document['kind']} {name} takes settings from ConfigMap {map_name}, which is not there"
            )
        env.update(config_maps[map_name])
    secrets = {}
    for variable in container.get("env", []):
        if "value" in variable:
            env[variable["name"]] = variable["value"]
        else:
            secrets[variable["name"]] = SecretRef(**variable["valueFrom"]["secretKeyRef"])
    image = container["image"].rpartition("/")[2].partition(":")[0]
    return Container(image=image, command=tuple(container["command"]), env=env, secrets=secrets)


def _config_map_names(container: Mapping[str, Any]) -> Iterator[str]:
    for source in container.get("envFrom", []):
        yield source["configMapRef"]["name"]
