"""Known vulnerabilities are told, and so is that nothing could be asked: by pip-audit and npm, of services here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from infra.lock import ROOT
from infra.supply.audit import (
    CLEAN,
    NOT_AUDITED,
    VULNERABLE,
    Accepted,
    Finding,
    NotAudited,
    locked_pins,
    read_accepted,
    report,
)
from tests.supply.services import OSV, npm_advisory, osv_entry, telling

NOWHERE = "http://127.0.0.1:1"
TODAY = date(2026, 11, 30)
FINDING = Finding("a-part", "1.0", ("PYSEC-2026-1", "CVE-2026-1"), "it can be made to run forever", "1.1")
tools = pytest.mark.slow(lane="supply")


def accepted(until: date, package: str = "a-part", name: str = "CVE-2026-1") -> list[Accepted]:
    return [Accepted(package, name, "never called", until)]


def test_a_finding_is_told_with_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert report([FINDING], [], [], TODAY) == VULNERABLE
    assert capsys.readouterr().out == (
        "VULNERABLE a-part 1.0: PYSEC-2026-1, CVE-2026-1, fixed in 1.1: it can be made to run forever\n"
    )


@pytest.mark.parametrize(
    ("known", "status"),
    [
        (accepted(TODAY), CLEAN),
        (accepted(date(2026, 11, 29)), VULNERABLE),
        (accepted(TODAY, package="another"), VULNERABLE),
        (accepted(TODAY, name="CVE-2026-2"), VULNERABLE),
    ],
    ids=["accepted", "ended", "of another package", "another one"],
)
def test_only_what_was_accepted_passes_and_only_until_its_day(
    known: list[Accepted], status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report([FINDING], [], known, TODAY) == status
    assert ("accepted until 2026-11-29: never called" in capsys.readouterr().out) == (known[0].until < TODAY)


def test_what_is_accepted_and_no_longer_found_is_to_be_removed(capsys: pytest.CaptureFixture[str]) -> None:
    assert report([], [], accepted(TODAY), TODAY) == CLEAN
    assert "accepts CVE-2026-1 of a-part, which is no longer found: remove it" in capsys.readouterr().out
    assert report([], [NotAudited("npm's packages: refused")], accepted(TODAY), TODAY) == NOT_AUDITED
    assert "remove it" not in capsys.readouterr().out


def test_what_was_found_counts_more_than_what_was_not_asked() -> None:
    assert report([FINDING], [NotAudited("npm's packages: refused")], [], TODAY) == VULNERABLE


def test_every_accepted_finding_has_a_reason_and_a_day(tmp_path: Path) -> None:
    assert all(one.reason and one.id and one.until for one in read_accepted())
    file = tmp_path / "accepted.toml"
    file.write_text('[[accepted]]\npackage = "a"\nid = "CVE-1"\nreason = "r"\nuntil = 2027-01-31\n')
    assert read_accepted(file) == [Accepted("a", "CVE-1", "r", date(2027, 1, 31))]


def test_everything_that_is_locked_is_asked_for() -> None:
    pins = set(locked_pins())
    assert len(pins) > 180
    names = {pin.partition("==")[0] for pin in pins}
    assert {"torch", "duckdb", "uv", "pip-audit", "cyclonedx-bom", "setuptools", "pytest"} <= names
    assert [pin for pin in pins if "+" in pin or ";" in pin] == []


@pytest.fixture(scope="module")
def pip_audit() -> None:
    """The tool's own environment, from its lock."""
    subprocess.run(["make", "build/audit/.ready"], cwd=ROOT, check=True)


def audit(tmp_path: Path, *, osv: str, npm: str) -> subprocess.CompletedProcess[str]:
    quick = {"npm_config_fetch_retries": "0", "npm_config_cache": str(tmp_path / "npm"), "HOME": str(tmp_path)}
    env = {**os.environ, **quick, "AUDIT_OSV_URL": osv, "npm_config_registry": npm}
    command = [sys.executable, "-m", "infra.supply.audit"]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@tools
@pytest.mark.usefixtures("pip_audit")
def test_nothing_known(tmp_path: Path) -> None:
    with telling({}, {}) as services:
        result = audit(tmp_path, osv=f"{services}{OSV}", npm=services)
    assert (result.returncode, result.stdout) == (CLEAN, "nothing is known of what is locked, 0 accepted\n"), (
        result.stderr
    )


@tools
@pytest.mark.usefixtures("pip_audit")
def test_vulnerabilities_of_both_kinds(tmp_path: Path) -> None:
    osv = {"jinja2": [osv_entry("jinja2", "PYSEC-2026-7", fixed="3.2", aliases=("CVE-2026-7",))]}
    with telling(osv, {"preact": [npm_advisory("GHSA-aaaa-bbbb-cccc")]}) as services:
        result = audit(tmp_path, osv=f"{services}{OSV}", npm=services)
    assert result.returncode == VULNERABLE, result.stderr
    version = json.loads((ROOT / "widget/package-lock.json").read_text())["packages"]["node_modules/preact"]["version"]
    assert result.stdout.splitlines() == [
        "VULNERABLE jinja2 3.1.6: PYSEC-2026-7, CVE-2026-7, fixed in 3.2: it can be made to run forever",
        f"VULNERABLE preact {version}: GHSA-aaaa-bbbb-cccc, no version without it is known: it escapes nothing",
    ]


@tools
@pytest.mark.usefixtures("pip_audit")
def test_services_that_do_not_answer(tmp_path: Path) -> None:
    result = audit(tmp_path, osv=f"{NOWHERE}{OSV}", npm=NOWHERE)
    assert result.returncode == NOT_AUDITED, result.stderr
    python, npm = result.stdout.splitlines()
    assert python.startswith("NOT AUDITED Python's packages: ")
    assert npm.startswith("NOT AUDITED npm's packages: ")
    assert "refused" in python.lower()


@tools
@pytest.mark.usefixtures("pip_audit")
def test_one_service_that_does_not_answer(tmp_path: Path) -> None:
    with telling({}, {}) as services:
        result = audit(tmp_path, osv=f"{services}{OSV}", npm=NOWHERE)
    assert result.returncode == NOT_AUDITED, result.stderr
    assert [line[:27] for line in result.stdout.splitlines()] == ["NOT AUDITED npm's packages:"]
