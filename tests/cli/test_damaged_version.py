"""A damaged version of the history: every command that meets it says which one it is, and goes on."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from common.cli.app import app
from common.usecases.shared.context import Context
from common.usecases.shared.run_watch import recent_runs
from tests.store.shop import events_csv, ingest
from tests.stored import fit, publish

BOUGHT = [f"{user},{item},2026-01-0{day}T12:00:00Z,1" for user in ("ann", "bob") for day, item in enumerate("xyz", 1)]

pytestmark = pytest.mark.s3


class Damaged(NamedTuple):
    """The shop, the id of the version before what is served, and its manifest's key, at which lies something else."""

    ctx: Context
    bundle_id: str
    manifest: str


@pytest.fixture
def shop(environment: dict[str, str], context: Context, monkeypatch: pytest.MonkeyPatch) -> Damaged:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ingest(context, "events/bought.csv", events_csv(*BOUGHT))
    artifact = fit(context)
    _, damaged, _ = [publish(context, *artifact) for _ in range(3)]
    manifest = context.keys.serving_bundle(damaged.bundle_id)
    context.bucket.put(manifest, b"{}")
    return Damaged(context, damaged.bundle_id, manifest)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def answer(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


@pytest.mark.parametrize("command", ["gc", "sweep"])
def test_what_removes_files_names_it(shop: Damaged, command: str) -> None:
    [notice] = answer(command)["notices"]
    assert shop.bundle_id in notice
    assert shop.manifest in notice
    assert f"note: {notice}" in run(command).splitlines()


def test_status_lists_it_apart_from_those_that_one_can_go_back_to(shop: Damaged) -> None:
    found = answer("status")
    [damaged] = found["damaged_versions"]
    assert damaged["bundle_id"] == shop.bundle_id
    assert shop.bundle_id not in [version["bundle_id"] for version in found["versions"]]
    [line] = [line for line in run("status").splitlines() if line.startswith("damaged")]
    assert f"bundle {shop.bundle_id}: the manifest {shop.manifest} cannot be read" in line


def test_doctor_says_what_to_do_about_it(shop: Damaged) -> None:
    [finding] = [finding for finding in answer("doctor") if finding["check"] == "versions"]
    assert finding["outcome"] == "warning"
    assert shop.bundle_id in finding["message"]
    assert "backup" in finding["advice"]


def test_doctor_finds_a_version_without_its_files(shop: Damaged) -> None:
    document = shop.ctx.serving_file.read().document
    assert document is not None
    intact = document.history[0].bundle_id
    files = {layer.files["user_keys.npy"].key for layer in document.bundle.layers}
    for info in list(shop.ctx.bucket.list(shop.ctx.keys.serving_people)):
        if info.key.endswith("/user_keys.npy") and info.key not in files:
            shop.ctx.bucket.delete(info.key)
    [finding] = [finding for finding in answer("doctor") if finding["check"] == "versions"]
    assert f"bundle {intact}: 1 of its files are gone" in finding["message"]


def test_rollback_passes_it_over_and_names_it(shop: Damaged) -> None:
    shown = run("rollback")
    [run_record] = [record for record in recent_runs(shop.ctx, 10) if record.function == "rollback"]
    [notice] = run_record.notices
    assert shop.bundle_id in notice
    assert f"note: {notice}" in shown.splitlines()
