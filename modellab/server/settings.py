"""Settings: what a server is told by its environment, by a file `.env`, or by whoever starts it."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    PositiveInt,
    SecretStr,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from modellab.records.store import RUNS

PREFIX = "MODELLAB_SERVER_"
MEBIBYTE = 1 << 20

Value = TypeVar("Value")


def _listed(told: Any) -> Any:  # noqa: ANN401 - whatever a setting is given
    """Give the words of a list; in a variable they stand between commas."""
    return tuple(word.strip() for word in told.split(",") if word.strip()) if isinstance(told, str) else told


def _tabled(told: Any) -> Any:  # noqa: ANN401 - whatever a setting is given
    """Give a table; in a variable it is a JSON object."""
    if not isinstance(told, str):
        return told
    try:
        return json.loads(told)
    except ValueError as error:
        raise ValueError(f'must be a JSON object, as {{"name": "value"}} ({error})') from error


Port = Annotated[int, Field(ge=0, le=65535)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
Named = Annotated[dict[str, Value], NoDecode, BeforeValidator(_tabled)]


class Part(BaseModel):
    """Settings that belong together; a name that nobody knows is refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True, use_attribute_docstrings=True
    )


class UploadSettings(Part):
    """What audio may be sent."""

    max_bytes: PositiveInt = 25 * MEBIBYTE
    """The largest file."""
    max_duration_s: PositiveFloat = 600.0
    """The longest audio, in seconds."""
    max_decoded_bytes: PositiveInt = 256 * MEBIBYTE
    """The most that a file may become when it is decoded, as float32 of all its channels at its own rate."""
    decode_timeout_s: PositiveFloat = 60.0
    """How long decoding may take, in seconds."""
    decode_memory_bytes: PositiveInt = 2048 * MEBIBYTE
    """The address space of the process that decodes."""


class RateSettings(Part):
    """How often a client may ask."""

    per_minute: PositiveInt = 60
    """Requests a minute and client; health and metrics are not counted."""
    storage_url: SecretStr = SecretStr("async+memory://")
    """Where counts are kept, as the library limits has it: several servers share those of a Redis."""


class PoolSettings(Part):
    """Which models listen, and how many may be held."""

    serve: Words = ()
    """Ids of models, such as faster-whisper:whisper-tiny.en:cpu:int8; none for those of bench.toml."""
    aliases: Named[str] = Field(default_factory=dict)
    """Other names of models, such as whisper-1; a checkpoint's name means its first model that can run here."""
    models: PositiveInt = 3
    """How many are held at once."""
    memory_bytes: PositiveInt | None = None
    """How much memory they may take together; without it, four fifths of the machine's or its control group's."""
    keep_alive_s: float = 300.0
    """How long a model may be idle before it is unloaded, in seconds; below 0 for ever, 0 at once."""
    keep_alive_s_of: Named[float] = Field(default_factory=dict)
    """The same by the model's id, where it differs."""
    replicas: PositiveInt | None = None
    """Processes a model; without it, one for each core that may be used, four at most."""
    threads: PositiveInt | None = None
    """Threads a process; without it, the cores shared out among its replicas."""
    max_waiting: PositiveInt = 16
    """How many requests may wait for one model."""
    wait_s: PositiveFloat = 60.0
    """How long a request may wait for its model, in seconds."""
    load_s: PositiveFloat = 600.0
    """How long a model may take to load, in seconds."""
    transcribe_s: PositiveFloat = 600.0
    """How long one transcription may take, in seconds."""


class JobSettings(Part):
    """Evaluations that are started over HTTP."""

    max_running: PositiveInt = 1
    """How many run at once: two would slow each other and spoil what is timed."""
    max_queued: PositiveInt = 32
    """How many may wait."""
    lease_s: PositiveFloat = 30.0
    """After how many seconds without a sign of life a job is taken from whoever runs it."""
    attempts: PositiveInt = 3
    """How often a job is begun, the first time included."""
    stop_s: PositiveFloat = 30.0
    """How long a cancelled job may take to write what it has, in seconds."""


class RetentionSettings(Part):
    """What may be deleted by `modellab server gc`; pinned runs never are."""

    max_age_days: PositiveFloat | None = None
    """Runs older than so many days."""
    max_runs: PositiveInt | None = None
    """The oldest, beyond so many."""
    max_bytes: PositiveInt | None = None
    """The oldest, until the rest takes no more than so much."""
    min_free_bytes: PositiveInt | None = None
    """The oldest, until so much of the disk is free."""
    max_job_age_days: PositiveFloat | None = None
    """Evaluations that ended so many days ago, with their logs; their runs are judged as all runs are."""


class ServerSettings(BaseSettings):
    """How a server is set. A variable's name is the prefix and the setting's, with two underscores before a part's."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        allow_inf_nan=False,
        validate_default=True,
        use_attribute_docstrings=True,
    )

    host: str = "127.0.0.1"
    """The address to listen on. One beyond this machine needs a key, or `insecure`."""
    port: Port = 8000
    """The port to listen on; 0 for any that is free."""
    insecure: bool = False
    """Whether everybody who reaches the server may use it without a key; to administer it always needs one."""
    runs: Path = Path(RUNS)
    """The folder of the runs."""
    fixtures: Path = Path("fixtures")
    """The folder of models.toml and the like."""
    benchmarks: Path = Path("benchmarks")
    """The folder of the claims that an evaluation runs."""
    data: Path = Path(".modellab")
    """The folder of what the server keeps for itself: its database, logs of jobs, and files while they are heard."""
    cache_dir: Path | None = None
    """The folder of weights and corpora; without it $MODELLAB_CACHE_DIR, else the user's."""
    database_url: SecretStr | None = None
    """The database, as postgresql+psycopg://USER:PASSWORD@HOST/NAME; without it an SQLite file in `data`."""
    allowed_hosts: Words = ("localhost", "127.0.0.1", "[::1]")
    """The names by which the server may be called, without ports; `*.example.org` for all below one."""
    cors_origins: Words = ()
    """Origins of pages that may ask, beside those of this machine, such as https://lab.example.org."""
    forwarded_allow_ips: str = "127.0.0.1"
    """The addresses of proxies that are believed whom they speak for."""
    secret: SecretStr | None = None
    """What keys are hashed with; without it, a file in `data` that is made at the first start."""
    metrics_need_key: bool = False
    """Whether /metrics asks for a key that may read."""
    uploads: UploadSettings = UploadSettings()
    rate: RateSettings = RateSettings()
    pool: PoolSettings = PoolSettings()
    jobs: JobSettings = JobSettings()
    retention: RetentionSettings = RetentionSettings()
    refresh_s: PositiveFloat = 2.0
    """How often the folder of runs is looked at, in seconds."""
    min_free_bytes: PositiveInt = 512 * MEBIBYTE
    """Below so much free disk the server says that it is not ready."""
    drain_s: NonNegativeFloat = 10.0
    """How long what is under way may take once the server is told to stop, in seconds."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least that is logged; a transcript never is."""
    log_format: Literal["json", "console"] = "json"
    """How it is logged."""
    otlp_endpoint: str | None = None
    """Where traces are sent, as http://HOST:4318; nowhere without it."""

    @property
    def database(self) -> SecretStr:
        """The URL of the database."""
        return self.database_url or SecretStr(f"sqlite:///{self.data.absolute() / 'server.sqlite3'}")
