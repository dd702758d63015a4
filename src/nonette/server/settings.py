"""What an operator can set, each with its default, its limits and what it means.

Every field is read from the environment as `NONETTE_SERVER_<FIELD>`; `docs/settings.md` is made
from the fields themselves. Of the server it knows only what a tier is.
"""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from nonette.core.errors import InputError
from nonette.server.limits import Tier

PREFIX = "NONETTE_SERVER_"
MAX_LEASE = 600.0  # seconds; a lease that ends later than this from now is of another boot

KeysNeeded = Literal["beyond-loopback", "always", "never-even-on-open-networks"]


class Settings(BaseSettings):
    """Everything that can be set about a server and its workers."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_parse_none_str="none", extra="forbid", frozen=True
    )

    data_dir: Path = Field(
        default_factory=lambda: Path.home() / ".local" / "share" / "nonette" / "server",
        description="Folder of everything that is kept: the database, pictures and uploads.",
    )
    database_url: str = Field(
        default="",
        description="`postgresql://…` for PostgreSQL; empty is SQLite in the data folder.",
    )
    models: tuple[str, ...] = Field(
        default=("scenes", "scenes-ar"),
        min_length=1,
        description="Models offered; the first that can do what is asked is the default.",
    )
    model_aliases: dict[str, str] = Field(
        default_factory=dict,
        description='Other names for models, as `{"dall-e-2": "scenes"}`.',
    )
    host: str = Field(default="127.0.0.1", description="Address that the API listens on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Its port; 0 takes a free one.")
    api_keys: KeysNeeded = Field(
        default="beyond-loopback",
        description="Who needs an API key: everyone, nobody at all, or everyone as soon as the "
        "API listens beyond loopback.",
    )
    tiers: dict[str, Tier] = Field(
        default_factory=lambda: {
            "free": Tier(),
            "supporter": Tier(weight=3.0),
            "guest": Tier(weight=0.5, max_waiting=10, requests_per_minute=30),
        },
        description="What accounts of a tier have: `weight` (their share of the machine), "
        "`max_waiting`, `requests_per_minute`, `pictures_per_day`. `free` and `guest` must be "
        "there; guests are callers without an account.",
    )

    allowed_hosts: tuple[str, ...] = Field(
        default=(),
        description="Names that the server answers to, as the `Host` header has them; empty means "
        "this machine's own names while it listens on loopback, and any name beyond.",
    )
    cors_origins: tuple[str, ...] = Field(
        default=(),
        description="Other sites whose pages may use the API from a browser, as "
        "`https://example.org`; none by default.",
    )
    public_url: str = Field(
        default="",
        description="Address that links in answers begin with; empty is what the caller used.",
    )
    link_minutes: int = Field(
        default=60, ge=1, le=1440, description="Minutes that a link to a picture is valid."
    )
    policy: Path | None = Field(
        default=None, description="File of a prompt policy of one's own; see `safety/policy.toml`."
    )

    gallery_is_public: bool = Field(
        default=True,
        description="Whether published pictures are for everyone who can reach the server, or "
        "only for those with a key or session.",
    )

    max_waiting: int = Field(
        default=2_000, ge=1, description="Jobs that may wait; beyond, new ones are answered 429."
    )
    max_waiting_per_owner: int = Field(
        default=100, ge=1, description="Jobs of one owner that may wait or run."
    )
    max_attempts: int = Field(
        default=3, ge=1, le=20, description="Times that a job may be begun before it has failed."
    )
    lease_seconds: float = Field(
        default=30.0,
        ge=1.0,
        le=MAX_LEASE,
        description="How long a worker may be silent before its jobs go to another.",
    )
    batch_jobs: int = Field(
        default=8, ge=1, le=64, description="Most jobs that a worker draws in one call."
    )
    batch_candidates: int = Field(
        default=72, ge=1, description="Most candidates that a worker draws in one call."
    )
    batch_pixels: int = Field(
        default=83_000_000,
        ge=1 << 16,
        description="Most pixels that the jobs of one call have together, candidates, pictures and "
        "what was sent; a job that has more is drawn alone.",
    )
    longest_wait: float = Field(
        default=540.0,
        gt=0,
        description="Seconds that a caller who waits for the answer may be kept waiting by the "
        "estimate; beyond, the answer is 429 at once.",
    )
    drain_seconds: float = Field(
        default=30.0,
        ge=0.0,
        description="How long a server or worker that is told to end goes on with what it has "
        "begun; what is left waits for the next start.",
    )
    longest_back_off: float = Field(
        default=30.0,
        ge=0.5,
        description="Most seconds before `nonette serve` starts an API or worker again that ended "
        "by itself; the first wait is half a second, each further one doubles.",
    )
    worker_niceness: int = Field(
        default=10,
        ge=0,
        le=19,
        description="How far workers step back for other processes (`nice`), so that the API "
        "answers while they draw; on a machine that is otherwise idle it costs them nothing.",
    )
    threads: int | None = Field(
        default=None, ge=1, description="CPU threads of each worker; `none` takes all cores."
    )
    device: str = Field(
        default="auto",
        pattern=r"^[a-z]+(:\d+)?$",
        description="Where workers draw: `cpu`, `cuda`, or `openvino` for imported Stable "
        "Diffusion; `auto` is a GPU where there is one.",
    )
    keep_days: float | None = Field(
        default=None,
        gt=0,
        description="Days that ended jobs and their pictures are kept; `none` is for ever.",
    )
    keep_guest_days: float | None = Field(
        default=30.0, gt=0, description="The same for those of callers without an account."
    )
    max_job_pixels: int = Field(
        default=83_000_000,
        ge=1 << 16,
        description="Pixels of all pictures of one job; the default is ten of 3840x2160.",
    )
    max_body_bytes: int = Field(
        default=1 << 20, ge=1 << 10, description="Largest body of a request without uploads."
    )
    max_upload_bytes: int = Field(
        default=50_000_000, ge=1 << 10, description="Largest body of a request with uploads."
    )
    log_format: Literal["json", "text"] = Field(
        default="json", description="Log lines as JSON, or as text for people."
    )

    @field_validator("tiers")
    @classmethod
    def _has_needed_tiers(cls, tiers: dict[str, Tier]) -> dict[str, Tier]:
        missing = {"free", "guest"} - tiers.keys()
        if missing:
            raise ValueError(f"it must have the tiers free and guest; there is no {min(missing)}")
        return tiers

    @property
    def url(self) -> str:
        """The database's address as SQLAlchemy takes it."""
        if not self.database_url:
            return f"sqlite:///{self.data_dir / 'nonette.sqlite3'}"
        scheme, colon, rest = self.database_url.partition("://")
        known = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
        return f"{known.get(scheme, scheme)}{colon}{rest}"

    @property
    def needs_keys(self) -> bool:
        """Whether callers who are not at this machine must come with a key or a session."""
        is_beyond = self.api_keys == "beyond-loopback" and not is_loopback(self.host)
        return self.api_keys == "always" or is_beyond

    def environment(self) -> dict[str, str]:
        """The environment in which another process reads these very settings."""
        return {
            f"{PREFIX}{name.upper()}": value if isinstance(value, str) else json.dumps(value)
            for name, value in self.model_dump(mode="json").items()
            if value is not None
        } | {f"{PREFIX}{name.upper()}": "none" for name, value in self if value is None}


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def load(**given: object) -> Settings:
    """The settings of the environment, with those given here before them.

    Raises:
        InputError: A value cannot be used; the message names the setting.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "settings"
        raise InputError(field, first.get("input"), first["msg"]) from error
