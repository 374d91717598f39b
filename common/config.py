"""Settings: typed values that are read once from environment variables, before anything starts.

An entry point calls `Shop.from_env(os.environ)`; nothing is read at import. A missing or wrong setting raises
`SettingError`, which names the setting and its accepted values. `docs/settings.md` is generated from the fields below.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)

from common.cpus import usable_cpus
from common.errors import SettingError
from common.ids import MIN_KEY_BYTES, Pseudonymizer

PREFIX = "RECSYS_"
MIN_SHARE = 4
MIN_TOKEN_KEY_BYTES = 32  # RFC 7518, section 3.2


class Purchased(StrEnum):
    """The treatment of items that the person has bought: leave them out, rank them by their score, or boost them.

    `AUTO` takes the one of the three that training has found best."""

    HIDE = "hide"
    SHOW = "show"
    BOOST = "boost"
    AUTO = "auto"


def _comma_list(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


CommaList = Annotated[tuple[str, ...], BeforeValidator(_comma_list)]


class Settings(BaseModel):
    """All settings. Each field is one environment variable: `bucket` is RECSYS_BUCKET."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # The bucket
    shop: str = Field(
        "shop", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="Name of the shop, in logs and reports."
    )
    bucket: str = Field(min_length=3, description="Name of the bucket.")
    prefix: str = Field(
        "", pattern=r"^([^/].*/)?$", description="What every key starts with: empty, or ending in a slash."
    )
    s3_endpoint: str = Field(
        description="URL of the object store. There is no default, so that nothing leaves for a store you did not name."
    )
    s3_region: str = Field("eu-central-1", description="Region name that the store expects in signatures.")
    s3_access_key: SecretStr = Field(description="Access key of the object store.")
    s3_secret_key: SecretStr = Field(description="Secret key of the object store.")
    residency_hosts: CommaList = Field(
        (), description="Comma-separated host names the endpoint may have; empty allows any."
    )

    # People
    pseudonym_key: SecretStr = Field(
        description="At least 32 hex digits. User ids become HMAC-SHA-256 under it. Never in the bucket."
    )
    token_key: SecretStr | None = Field(
        None,
        description="Secret with which the shop's back end signs user tokens (JWT HS256). Empty accepts no token.",
    )
    allow_user_id: bool = Field(
        False, description="Accept a bare user_id in storefront calls. For local development only."
    )

    # Functions
    trigger_token: SecretStr | None = Field(
        None,
        description="Bearer secret that calls of ingest, update and train must carry. Required by those functions.",
    )
    cors_origins: CommaList = Field((), description="Comma-separated origins that a storefront may call from.")
    cache_dir: Path = Field(Path("/tmp/recsys-cache"), description="Directory for files fetched from the bucket.")
    cache_bytes: int = Field(4 << 30, gt=0, description="Bound of the cache directory in bytes.")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="Lowest level that is logged.")

    # Data
    max_bad_rows: float = Field(0.5, ge=0, le=1, description="Share of bad rows above which a file is refused whole.")
    max_upload_bytes: int = Field(4 << 30, gt=0, description="Largest upload that ingest reads.")
    max_upload_rows: int = Field(50_000_000, gt=0, description="Most rows of an upload, blank lines included.")
    max_upload_columns: int = Field(
        1_000, gt=0, description="Most columns of an upload; in Parquet the parts of a nested column count too."
    )
    max_line_bytes: int = Field(
        1 << 20, ge=1_024, description="Longest row of a CSV upload in bytes, line breaks within its values included."
    )
    max_unpacked_bytes: int = Field(
        16 << 30,
        gt=0,
        description="Most bytes that an upload may unpack to, and may take on the disk while it is read, itself "
        "included.",
    )
    upload_deadline_s: float = Field(
        540,
        gt=0,
        description="Seconds in which an upload is fetched, read and committed. Less than the function's timeout.",
    )
    keep_uploads_days: float = Field(
        0, ge=0, description="Days that an upload stays in the bucket after its commit; 0 deletes it at once."
    )
    quarantine_days: float = Field(
        14, gt=0, description="Days that refused uploads and rows stay in the quarantine before they are deleted."
    )
    retention_days: float | None = Field(
        None, gt=0, description="Age in days at which compaction drops events; empty keeps all."
    )
    timezone: str = Field(
        "UTC",
        description="Zone of times without one in uploads, such as Europe/Berlin: most shop systems write the time of "
        "their own clock.",
    )
    ingest_memory_bytes: int = Field(768 << 20, gt=0, description="Memory limit of DuckDB while it reads an upload.")

    # Training
    train_budget_s: float = Field(
        480,
        gt=0,
        description="Seconds a training run may take, publishing included. A fit that has not ended in time is ended. "
        "Less than the function's timeout.",
    )
    train_families: CommaList = Field(
        (), description="Comma-separated model families to try; empty tries all that are installed."
    )
    max_dim: int = Field(
        256,
        ge=8,
        description="Widest vectors that a training may choose: wider ones take more memory and time in serving.",
    )
    tune_trials: int = Field(
        40, ge=0, description="Most trials of one family in the search for better settings; 0 does not search."
    )
    optuna_storage: SecretStr | None = Field(
        None,
        description="SQLAlchemy URL of the database in which parallel training jobs share their trials; "
        "empty keeps them in the process.",
    )
    validation_days: float = Field(28, gt=0, description="Length of the validation window at the end of the data.")
    test_days: float = Field(28, ge=0, description="Length of the test window after validation; 0 leaves it out.")
    gate_margin: float = Field(
        0.1, ge=0, le=1, description="Share of NDCG@10 by which a new model may be worse than what is served."
    )
    people_ahead: int = Field(
        200_000,
        ge=0,
        description="Up to how many known people get a precomputed answer, so that a request that asks for nothing in "
        "particular needs no search. 100,000 people take 10 s of training and 31 MB.",
    )
    seed: int = Field(20261123, description="Seed of everything random.")
    threads: int = Field(0, ge=0, description="Threads for training; 0 takes all cores.")

    # Serving
    min_pair_people: int = Field(
        5,
        ge=2,
        description="Distinct people who must have bought two items in one order before either is shown as bought "
        "together with the other, or met both in one visit before either is linked to the other.",
    )
    guest_orders_count: bool = Field(
        True,
        description="Whether each order or visit of a guest counts as one of these people, because nobody can tell "
        "whose it is. false: all guests together count as one person.",
    )
    crowd_share: float = Field(
        0.1,
        gt=0,
        le=1,
        description="Share of all orders above which a customer id is taken for a crowd and not for a person, such as "
        "the 0 that a shop gives all guests. Training says how many there are, `recsys doctor` which.",
    )
    crowds_are_nobody: bool = Field(
        False, description="Treat the events of such ids as events without a person in what models and lists learn."
    )
    purchased: Purchased = Field(
        Purchased.AUTO,
        description="What becomes of items that the person has bought, unless the request says otherwise: `hide`, "
        "`show`, `boost` puts them forward, `auto` does what training has found best on the shop's own data.",
    )
    new_share: int = Field(
        12,
        ge=0,
        description="Of how many places in lists for a person, a visit or a category one, the last, is for a new item "
        "that few people have bought; 0: none is. A fourth of the places is the most.",
    )
    order_share: int = Field(
        4,
        ge=0,
        description="Of how many places in `for-you` one, the last but one, is for what an order of today or yesterday "
        "leads to; 0: none is. A fourth of the places is the most.",
    )
    refresh_s: float = Field(0.5, gt=0, description="Seconds between checks for a newer bundle.")
    requests_per_s: float = Field(
        0,
        ge=0,
        description="Requests a second that one client address may make, four seconds' worth of them at once. "
        "0: no limit, for deployments whose gateway has one.",
    )
    trusted_proxies: int = Field(
        0,
        ge=0,
        le=10,
        description="Proxies before recommend that add the address of their caller to `X-Forwarded-For`. 0: the "
        "address of the connection counts.",
    )
    max_n: int = Field(100, ge=1, le=1000, description="Most items that a request may ask for.")
    max_layers: int = Field(
        8, ge=1, le=64, description="Delta layers that update leaves before it folds them into one."
    )

    @property
    def n_threads(self) -> int:
        """The number of threads: `threads`, or the number of cores that this process may use."""
        return self.threads or usable_cpus()

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, value: str) -> str:
        known = available_timezones()
        # A system without the list of zones can only look at the form.
        if value not in known if known else not re.fullmatch(r"[A-Z][A-Za-z_]+(/[A-Za-z0-9_+-]+)*", value):
            raise ValueError("must be the name of a time zone, such as Europe/Berlin or UTC")
        return value

    @field_validator("s3_endpoint")
    @classmethod
    def _is_a_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an http:// or https:// URL with a host")
        return value.rstrip("/")

    @field_validator("new_share", "order_share")
    @classmethod
    def _is_a_small_share(cls, value: int) -> int:
        if 0 < value < MIN_SHARE:
            raise ValueError(f"must be 0, or {MIN_SHARE} or more")
        return value

    @field_validator("token_key")
    @classmethod
    def _is_long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().encode()) < MIN_TOKEN_KEY_BYTES:
            raise ValueError(f"must be at least {MIN_TOKEN_KEY_BYTES} bytes long: HS256 is no stronger than its key")
        return value

    @field_validator("pseudonym_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr) -> SecretStr:
        try:
            size = len(bytes.fromhex(value.get_secret_value()))
        except ValueError:
            raise ValueError("must be hex digits") from None
        if size < MIN_KEY_BYTES:
            raise ValueError(f"must be at least {2 * MIN_KEY_BYTES} hex digits")
        return value


@dataclass(frozen=True)
class Shop:
    """One shop: its settings, and the pseudonymizer with the key from them."""

    settings: Settings
    pseudonymizer: Pseudonymizer

    @property
    def name(self) -> str:
        return self.settings.shop

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Shop:
        """Raises `SettingError` for a wrong setting, and for an endpoint outside the `residency_hosts`."""
        settings = read_settings(env)
        host = urlsplit(settings.s3_endpoint).hostname
        if settings.residency_hosts and host not in settings.residency_hosts:
            raise SettingError(
                f"{PREFIX}S3_ENDPOINT names host {host!r}, which {PREFIX}RESIDENCY_HOSTS does not list: "
                f"{', '.join(settings.residency_hosts)}"
            )
        key = bytes.fromhex(settings.pseudonym_key.get_secret_value())
        return cls(settings=settings, pseudonymizer=Pseudonymizer(key))


def read_settings(env: Mapping[str, str]) -> Settings:
    """Reads the settings from variables. Raises `SettingError` naming each that is missing, wrong or unknown."""
    values = {name[len(PREFIX) :].lower(): value for name, value in env.items() if name.startswith(PREFIX)}
    # An empty variable is how Kubernetes and compose spell "not set".
    values = {name: value for name, value in values.items() if value != "" or name == "prefix"}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingError("; ".join(_problem(item) for item in error.errors())) from None


def _problem(item: Any) -> str:
    if not item["loc"]:
        return f"a variable that begins with {PREFIX} has a name that is not valid Unicode"
    name = PREFIX + str(item["loc"][0]).upper()
    if item["type"] == "missing":
        description = Settings.model_fields[item["loc"][0]].description
        return f"{name} is not set. {description}"
    if item["type"] == "extra_forbidden":
        return f"{name} is not a setting of this version; see docs/settings.md"
    return f"{name} {item['msg'].removeprefix('Value error, ')}"
