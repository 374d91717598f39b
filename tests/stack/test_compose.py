"""compose.yaml is what the Compose specification allows, and starts the functions as template.yaml does."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from common.config import read_settings
from infra.local.manifest import TEMPLATE, read_manifest

INFRA = TEMPLATE.parent / "infra"
TEXT = (INFRA / "compose.yaml").read_text()
COMPOSE = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
EXAMPLE = (INFRA / "example.env").read_text()
MANIFEST = read_manifest()
FUNCTIONS = {function.name: function for function in MANIFEST.functions}
OURS = {name for name, service in SERVICES.items() if service["image"].startswith("recsys-lite/")}
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::[-?][^}]*)?\}")


def problem(compose: Any) -> str:
    """What the specification's parser says against it; empty where all is well."""
    try:
        PyCompose.from_yaml(yaml.safe_dump(compose))
    except ValueError as error:
        return str(error)
    return ""


def value_of(text: str) -> str:
    """With a key in the place of every variable, which suits every setting but SHOP, which has a default."""
    return VARIABLE.sub(lambda found: "shop" if found[1] == "RECSYS_SHOP" else "5e" * 32, text)


def test_is_what_the_specification_allows() -> None:
    assert problem(COMPOSE) == ""


FAULTS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "unknown field of a service": (lambda doc: doc["services"]["tls"].update(imagee="x"), "imagee"),
    "unknown field of the file": (lambda doc: doc.update(service={}), "service"),
    "unknown policy": (lambda doc: doc["services"]["tls"].update(restart="sometimes"), "sometimes"),
    "unknown condition": (
        lambda doc: doc["services"]["ingest"]["depends_on"]["setup"].update(condition="service_done"),
        "service_done",
    ),
    "a port that is none": (lambda doc: doc["services"]["tls"].update(ports=["80:http:x"]), "ports[0]"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name: str) -> None:
    plant, mentioned = FAULTS[name]
    planted = copy.deepcopy(COMPOSE)
    plant(planted)
    assert mentioned in problem(planted)


def test_every_variable_is_in_the_example_and_the_reverse() -> None:
    explained = set(re.findall(r"^(?:# )?([A-Z_]+)=", EXAMPLE, flags=re.MULTILINE)) - {"COMPOSE_PROFILES"}
    assert set(VARIABLE.findall(TEXT)) == explained


@pytest.mark.parametrize("name", sorted(OURS))
def test_settings_are_complete_and_known(name: str) -> None:
    environment = {key: value_of(value) for key, value in SERVICES[name]["environment"].items()}
    read_settings(environment)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_functions_are_those_of_the_template(name: str) -> None:
    service, function = SERVICES[name], FUNCTIONS[name]
    assert service["build"]["target"] == function.container.image == name
    environment = service["environment"]
    secrets = {key for key in environment if key in function.container.secrets}
    assert secrets == set(function.container.secrets)
    for variable in ("CLOUD_RUN_TIMEOUT_SECONDS", "RECSYS_TRAIN_BUDGET_S", "RECSYS_INGEST_MEMORY_BYTES"):
        assert environment.get(variable) == function.container.env.get(variable)


@pytest.mark.parametrize("name", sorted(OURS))
def test_containers_are_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["user"] == "10001:10001"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "mem_limit" in service


ADDED_BACK = {"tls": ["NET_BIND_SERVICE"], "seaweedfs": ["CHOWN", "SETGID", "SETUID"]}
"""Caddy's ports are below 1024; SeaweedFS's entry point gives /data to a user of its own and becomes that user."""


@pytest.mark.parametrize("name", sorted(SERVICES.keys() - OURS))
def test_images_of_others_may_do_no_more_than_they_need(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == ADDED_BACK.get(name, [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "mem_limit" in service


@pytest.mark.parametrize("name", sorted(OURS))
def test_only_what_listens_is_asked_for_its_health(name: str) -> None:
    """The image's own check asks for the function's port, on which nothing listens where something else runs."""
    expected = {"disable": True} if "command" in SERVICES[name] else None
    assert SERVICES[name].get("healthcheck") == expected


def test_only_the_way_in_is_reached_from_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["tls"]
    caddyfile = (INFRA / "Caddyfile").read_text()
    assert "reverse_proxy recommend:8080" in caddyfile
    assert "/metrics" not in re.sub(r"#.*", "", caddyfile)


def test_recommend_cannot_write_and_others_cannot_sign() -> None:
    recommend = SERVICES["recommend"]["environment"]
    assert "WRITER" not in "".join(recommend.values())
    assert "RECSYS_TRIGGER_TOKEN" not in recommend
    assert [name for name in sorted(OURS) if "RECSYS_TOKEN_KEY" in SERVICES[name]["environment"]] == ["recommend"]


def test_the_stores_answer_at_one_address_and_one_of_them_runs() -> None:
    stores = {name for name, service in SERVICES.items() if "objects:/data" in service.get("volumes", [])}
    assert stores == {"seaweedfs", "minio"}
    for name in stores:
        assert SERVICES[name]["profiles"] == [name]
        assert SERVICES[name]["networks"]["default"]["aliases"] == ["object-store"]
    assert re.search(r"@sha256:[0-9a-f]{64}$", SERVICES["minio"]["image"])


def test_the_reader_reads_and_lists_and_no_more() -> None:
    """Of both stores: what recommend does needs both."""
    script = SERVICES["minio-reader"]["command"][0]
    [policy] = re.findall(r"echo '(.*?)'", script, flags=re.DOTALL)
    [statement] = json.loads(policy)["Statement"]
    assert statement["Action"] == ["s3:GetObject", "s3:ListBucket"]
    assert re.findall(r"mc admin policy (?:create|attach) store (\w+)", script) == ["reader", "reader"]
    identities = json.loads(COMPOSE["configs"]["identities"]["content"])["identities"]
    assert [identity["actions"] for identity in identities if identity["name"] == "reader"] == [["Read", "List"]]


def test_minio_calls_the_functions_that_the_setup_names() -> None:
    called = {function.name for function in MANIFEST.functions if function.event_prefixes}
    assert set(re.findall(r"--notify (\w+)=arn:minio:sqs::\1:webhook", EXAMPLE)) == called
    for name in called:
        assert SERVICES["minio"]["environment"][f"MINIO_NOTIFY_WEBHOOK_ENDPOINT_{name}"] == f"http://{name}:8080/"
