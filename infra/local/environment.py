"""The environment variables of the stack's processes: those of template.yaml, with this machine's addresses."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.credentials import Credentials, write_private
from infra.local.manifest import Container, Manifest, SecretRef
from infra.local.object_store import ObjectStore
from infra.local.ports import HOST

OPERATOR_FILE = "operator.env"
_INHERITED = ("PATH", "LANG", "TZ")
_OPERATOR_SECRETS = ("RECSYS_TRIGGER_TOKEN", "RECSYS_TOKEN_KEY")


@dataclass(frozen=True)
class Environment:
    """The sources of the variables. `replaced` are settings with other values than in template.yaml."""

    manifest: Manifest
    directory: Path
    credentials: Credentials
    object_store: ObjectStore
    storefront_url: str
    replaced: Mapping[str, str] = field(default_factory=dict)

    def of(self, name: str, container: Container) -> dict[str, str]:
        """All variables of one process, which has its own home and cache directory."""
        home = self.directory / "home" / name
        home.mkdir(parents=True, exist_ok=True)
        here = {
            "HOME": str(home),
            "RECSYS_S3_ENDPOINT": self.object_store.endpoint,
            "RECSYS_RESIDENCY_HOSTS": HOST,
            "RECSYS_CACHE_DIR": str(self.directory / "cache" / name),
        }
        if "RECSYS_CORS_ORIGINS" in container.env:
            here["RECSYS_CORS_ORIGINS"] = self.storefront_url
        inherited = {variable: os.environ[variable] for variable in _INHERITED if variable in os.environ}
        secrets = {variable: self._value(ref) for variable, ref in container.secrets.items()}
        return inherited | container.env | secrets | here | dict(self.replaced)

    def of_operator(self) -> dict[str, str]:
        """The operator's variables for `recsys` and the use cases: a job's settings and all secrets."""
        return self.of("operator", self.manifest.jobs[0].container) | {
            name: self.secret(name) for name in _OPERATOR_SECRETS
        }

    def write_operator_file(self) -> None:
        """Writes the operator's variables for a shell: after `source .local/operator.env`, `recsys` uses this stack."""
        settings = {name: value for name, value in self.of_operator().items() if name.startswith("RECSYS_")}
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in settings.items()]
        write_private(self.directory / OPERATOR_FILE, "".join(lines))

    def secret(self, variable: str) -> str:
        """The value of a variable that is a Secret in template.yaml."""
        containers = (function.container for function in self.manifest.functions)
        return self._value(next(part.secrets[variable] for part in containers if variable in part.secrets))

    def _value(self, ref: SecretRef) -> str:
        """A secret's value: keys of the object store come from its identities, others from the credentials."""
        store = self.object_store
        identities = {
            SecretRef("recsys-s3-writer", "access-key"): store.access_key,
            SecretRef("recsys-s3-writer", "secret-key"): store.secret_key,
            SecretRef("recsys-s3-reader", "access-key"): store.reader_access_key,
            SecretRef("recsys-s3-reader", "secret-key"): store.reader_secret_key,
        }
        return identities.get(ref) or self.credentials.value(ref)
