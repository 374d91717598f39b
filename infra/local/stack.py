"""The deployment of template.yaml on one machine: object store, functions, event router and schedule.

    with Stack(directory) as stack:
        stack.url("recommend"), stack.environment.of_operator()

The stack writes to one directory only, listens on the loopback interface only, and ends all of its processes.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

from common.bucket.s3 import S3Bucket
from common.edges.wiring import make_context
from common.usecases.operate.setup import setup
from infra.local.calls import wait_until_healthy
from infra.local.children import Children
from infra.local.credentials import Credentials
from infra.local.delivery import Delivery, RetryPolicy
from infra.local.environment import Environment
from infra.local.launch import Launch, launch_here
from infra.local.manifest import Function, Job, Manifest, SecretRef, read_manifest
from infra.local.object_store import ObjectStore, Webhook
from infra.local.ports import DEFAULT_PORTS, HOST, require_free
from infra.local.router import Router, Rule
from infra.local.schedule import Schedule

PROOF_ROUNDS = 2
"""For each proof of conditional PUT here: the server is the pinned one, which a test holds to the whole proof."""

ROOT = Path(__file__).parents[2]
START_S = 60.0
ROUTER_SECRET = SecretRef("local-router", "token")

Say = Callable[[str], None]


def _silent(_line: str) -> None:
    pass


class Stack:
    """The stack, which runs inside `with`.

    `replaced` are settings with other values than in template.yaml. `launch` makes the program of a container. `say`
    is called with each part's name when the part starts.
    """

    def __init__(
        self,
        directory: Path,
        *,
        ports: Mapping[str, int] = DEFAULT_PORTS,
        manifest: Manifest | None = None,
        replaced: Mapping[str, str] | None = None,
        retries: RetryPolicy | None = None,
        launch: Launch = launch_here,
        say: Say = _silent,
    ) -> None:
        self.ports = dict(ports)
        self.manifest = manifest or read_manifest()
        self._replaced = dict(replaced or {})
        self._retries = retries or RetryPolicy()
        self._launch = launch
        self._say = say
        self._children = Children(directory / "logs")
        self._credentials = Credentials(directory / "secrets.json")
        self._credentials.ensure([*self.manifest.secret_refs(), ROUTER_SECRET])
        self._rules = self._make_rules()
        self._object_store = ObjectStore(directory / "object-store", self.ports["s3"], self._webhook())
        self.environment = Environment(
            self.manifest, directory, self._credentials, self._object_store, self.url("storefront"), self._replaced
        )
        self._router: Router | None = None
        self._schedules = [Schedule(job, self._start_job) for job in self.manifest.jobs]

    def __enter__(self) -> Stack:
        """Raises `PortError` or `StartError`; no process is left then."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Ends all parts, the object store last. A second call does nothing."""
        for schedule in self._schedules:
            schedule.stop()
        if self._router is not None:
            self._router.stop()
        self._children.stop()
        self._object_store.stop()

    def url(self, name: str) -> str:
        return f"http://{HOST}:{self.ports[name]}"

    def pids(self) -> dict[str, int]:
        return {"s3": self._object_store.pid} | self._children.pids()

    def run_job(self, name: str) -> int:
        """Runs a CronJob's command once, as its schedule does, and returns the exit status."""
        [job] = [job for job in self.manifest.jobs if job.name == name]
        return self._start_job(job).wait(timeout=job.deadline_s)

    def _start(self) -> None:
        require_free(self.ports)
        self._say("object store")
        self._object_store.start()
        ctx = make_context(self.environment.of_operator())
        setup(ctx, S3Bucket.from_settings(ctx.settings), rules=[], rounds=PROOF_ROUNDS)
        self.environment.write_operator_file()
        self._router = self._start_router()
        for function in self.manifest.functions:
            self._start_function(function)
        for function in self.manifest.functions:
            self._await_function(function)
        for schedule in self._schedules:
            schedule.start()
        # Uploads that came while the stack was down are announced by no event.
        self._router.drain()

    def _start_router(self) -> Router:
        router = Router(
            port=self.ports["router"],
            token=self._credentials.value(ROUTER_SECRET),
            bucket=self._setting("RECSYS_BUCKET"),
            rules=self._rules,
        )
        router.start()
        return router

    def _start_function(self, function: Function) -> None:
        env = self.environment.of(function.name, function.container)
        env |= {"HOST": HOST, "PORT": str(self.ports[function.name])}
        program = self._launch(function.container, env)
        self._children.start(function.name, program.command, program.env, program.cwd)

    def _await_function(self, function: Function) -> None:
        self._say(function.name)
        child, log = self._children[function.name], self._children.log(function.name)
        wait_until_healthy(function.name, f"{self.url(function.name)}/healthz", child, log, START_S)

    def _start_job(self, job: Job) -> subprocess.Popen[bytes]:
        program = self._launch(job.container, self.environment.of(job.name, job.container))
        return self._children.start(job.name, program.command, program.env, program.cwd)

    def _make_rules(self) -> list[Rule]:
        prefix = self._setting("RECSYS_PREFIX")
        token = self._credentials.value(self._trigger_secret())
        return [
            Rule(
                prefixes=tuple(prefix + part for part in function.event_prefixes),
                delivery=Delivery(function.name, self.url(function.name), token, function.timeout_s, self._retries),
            )
            for function in self.manifest.functions
            if function.event_prefixes
        ]

    def _trigger_secret(self) -> SecretRef:
        return self.manifest.function("ingest").container.secrets["RECSYS_TRIGGER_TOKEN"]

    def _webhook(self) -> Webhook:
        root = f"/buckets/{self._setting('RECSYS_BUCKET')}/"
        prefixes = tuple(root + prefix for rule in self._rules for prefix in rule.prefixes)
        return Webhook(self.url("router"), self._credentials.value(ROUTER_SECRET), prefixes)

    def _setting(self, name: str) -> str:
        return self._replaced.get(name, self.manifest.settings[name])
