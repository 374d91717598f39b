"""`make audit`: known vulnerabilities of everything that is locked, for Python and for the carousel.

pip-audit asks OSV, or the service with OSV's protocol that AUDIT_OSV_URL names; npm asks the registry of its settings.
Findings that were looked at and accepted stand in accepted.toml, each with a reason and a last day. The exit status is
0 if nothing is known, 1 if something is, 3 if nothing could be asked.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from infra.lock import EXTRAS, GROUPS, ROOT, TORCH, entries, name_of, path_of
from infra.torch_cpu import pinned_version

PIP_AUDIT: Final = ROOT / "build" / "audit" / "bin" / "pip-audit"
ACCEPTED: Final = Path(__file__).with_name("accepted.toml")
WIDGET: Final = ROOT / "widget"

CLEAN, VULNERABLE, NOT_AUDITED = 0, 1, 3


class NotAudited(Exception):
    """The message says what could not be asked, and what the tool said of it."""


@dataclass(frozen=True)
class Finding:
    """`ids` are all names of one vulnerability; `fixed_in` is empty where no version is known to mend it."""

    package: str
    version: str
    ids: tuple[str, ...]
    about: str
    fixed_in: str = ""

    def __str__(self) -> str:
        remedy = f"fixed in {self.fixed_in}" if self.fixed_in else "no version without it is known"
        return f"{self.package} {self.version}: {', '.join(self.ids)}, {remedy}: {self.about}"


@dataclass(frozen=True)
class Accepted:
    """`until` is the last day on which the finding passes."""

    package: str
    id: str
    reason: str
    until: date

    def is_of(self, finding: Finding) -> bool:
        return self.package == finding.package and self.id in finding.ids


def main() -> int:
    findings: list[Finding] = []
    unasked: list[NotAudited] = []
    for ask in (python_findings, npm_findings):
        try:
            findings.extend(ask())
        except NotAudited as error:
            unasked.append(error)
    return report(findings, unasked, read_accepted(), datetime.now(UTC).date())


def report(
    findings: Sequence[Finding], unasked: Sequence[NotAudited], accepted: Sequence[Accepted], today: date
) -> int:
    """Prints it; the exit status. What was found counts more than what was not asked."""
    open_findings = [
        one for one in findings if not any(known.is_of(one) and today <= known.until for known in accepted)
    ]
    for finding in open_findings:
        ended = [known for known in accepted if known.is_of(finding)]
        print(f"VULNERABLE {finding}" + "".join(f" (accepted until {known.until}: {known.reason})" for known in ended))
    for known in accepted:
        if not unasked and not any(known.is_of(finding) for finding in findings):
            print(f"{ACCEPTED.name} accepts {known.id} of {known.package}, which is no longer found: remove it")
    for error in unasked:
        print(f"NOT AUDITED {error}")
    if not open_findings and not unasked:
        print(f"nothing is known of what is locked, {len(findings)} accepted")
    return VULNERABLE if open_findings else NOT_AUDITED if unasked else CLEAN


def read_accepted(path: Path = ACCEPTED) -> list[Accepted]:
    return [Accepted(**one) for one in tomllib.loads(path.read_text()).get("accepted", [])]


def python_findings() -> list[Finding]:
    """Raises `NotAudited`."""
    url = os.environ.get("AUDIT_OSV_URL")
    service = ["--vulnerability-service", "osv", *(["--osv-url", url] if url else [])]
    options = ["--disable-pip", "--no-deps", "--format", "json", "--progress-spinner", "off"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as pins:
        pins.write("".join(f"{pin}\n" for pin in sorted(set(locked_pins()))))
        pins.flush()
        answer = _json("Python's packages", [str(PIP_AUDIT), *service, *options, "--requirement", pins.name])
    if skipped := [one["name"] for one in answer["dependencies"] if "skip_reason" in one]:
        raise NotAudited(f"Python's packages: nothing can be asked of {', '.join(skipped)}")
    return [
        Finding(one["name"], one["version"], (known["id"], *known["aliases"]), known["description"], _joined(known))
        for one in answer["dependencies"]
        for known in one["vulns"]
    ]


def _joined(known: dict[str, Any]) -> str:
    return " or ".join(known["fix_versions"])


def locked_pins() -> Iterator[str]:
    """`name==version` of every set; a version without its local part, by which services know torch."""
    yield f"{TORCH}=={pinned_version()}"
    for name in (*EXTRAS, *GROUPS):
        for entry in entries(path_of(name).read_text()):
            yield f"{name_of(entry)}=={entry.partition('==')[2].split()[0]}"


def npm_findings() -> list[Finding]:
    """Raises `NotAudited`."""
    answer = _json("npm's packages", ["npm", "audit", "--json", "--package-lock-only"], cwd=WIDGET)
    if "vulnerabilities" not in answer:
        raise NotAudited(f"npm's packages: {answer.get('message') or answer.get('error')}")
    locked = json.loads((WIDGET / "package-lock.json").read_text())["packages"]
    advisories = {
        (name, one["url"].rpartition("/")[2]): one["title"]
        for name, known in answer["vulnerabilities"].items()
        for one in known["via"]
        if isinstance(one, dict)  # a string names another package of the list, by which this one is concerned
    }
    return [
        Finding(name, locked[f"node_modules/{name}"]["version"], (advisory,), title)
        for (name, advisory), title in advisories.items()
    ]


def _json(what: str, command: list[str], cwd: Path = ROOT) -> dict[str, Any]:
    """Both tools end with 1 where they have found something and where they have failed: an answer tells which."""
    result = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    try:
        answer: dict[str, Any] = json.loads(result.stdout)
    except json.JSONDecodeError:
        said = (result.stderr.strip().splitlines() or ["no answer"])[-1]
        raise NotAudited(f"{what}: {said}") from None
    return answer


if __name__ == "__main__":
    sys.exit(main())
