"""Doubles of the services that tell known vulnerabilities: OSV's protocol and that of npm's registry."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

OSV = "/v1/query"
NPM_ADVISORIES = "/-/npm/v1/security/advisories/bulk"


def osv_entry(package: str, name: str, *, fixed: str, aliases: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "id": name,
        "aliases": list(aliases),
        "summary": "it can be made to run forever",
        "schema_version": "1.7.3",
        "published": "2026-10-01T00:00:00Z",
        "affected": [
            {
                "package": {"name": package, "ecosystem": "PyPI"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}],
            }
        ],
    }


def npm_advisory(name: str) -> dict[str, Any]:
    return {
        "id": 1100000,
        "url": f"https://advisories.example/advisories/{name}",
        "title": "it escapes nothing",
        "severity": "high",
        "vulnerable_versions": "<99",
        "cwe": ["CWE-79"],
        "cvss": {"score": 7.1, "vectorString": None},
    }


@contextmanager
def telling(osv: Mapping[str, list[dict[str, Any]]], npm: Mapping[str, list[dict[str, Any]]]) -> Iterator[str]:
    """The services' address. `osv` and `npm` are entries by package; of the rest nothing is known."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            asked = json.loads(body)
            if self.path == OSV:
                known = osv.get(asked["package"]["name"], [])
                self._answer({"vulns": known} if known else {})
            elif self.path == NPM_ADVISORIES:
                self._answer({name: npm[name] for name in asked if name in npm})
            else:
                self.send_error(404)

        def do_GET(self) -> None:
            """A package's page, which npm reads to see who else is concerned."""
            name = self.path.strip("/").replace("%2f", "/")
            self._answer({"name": name, "versions": {}, "dist-tags": {}})

        def _answer(self, document: dict[str, Any]) -> None:
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
