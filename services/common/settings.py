"""Settings of every process, read from environment variables (prefix XRAY_); each has a documented default."""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.common.errors import Fatal


class Settings(BaseSettings):
    """Addresses of the servers. The defaults are servers on this machine at their usual ports."""

    model_config = SettingsConfigDict(env_prefix="XRAY_", extra="ignore", frozen=True, use_attribute_docstrings=True)

    kafka_bootstrap: str = "127.0.0.1:9092"
    """Kafka bootstrap servers, `host:port`, comma-separated."""
    s3_endpoint: str = "http://127.0.0.1:8333"
    """URL of the S3 service."""
    s3_access_key: str = ""
    """S3 access key; without it, boto3's default chain (AWS_ACCESS_KEY_ID, profile, role) gives the credentials."""
    s3_secret_key: SecretStr = SecretStr("")
    """S3 secret key of XRAY_S3_ACCESS_KEY."""
    s3_region: str = "us-east-1"
    """S3 region; most S3 services other than AWS ignore it."""
    s3_bucket: str = "xray"
    """Bucket that holds originals, views and tensors."""
    triton_grpc: str = "127.0.0.1:8001"
    """Triton's gRPC address, `host:port`."""
    model_repository: str = "model_repository"
    """Folder that Triton serves from, or `s3://bucket/prefix`; only `xray models` reads and writes it."""
    postgres_dsn: SecretStr = SecretStr("postgresql://xray@127.0.0.1:5432/xray")
    """PostgreSQL connection string of the ledger."""
    partitions: int = Field(default=8, ge=1, le=1024)
    """Partition count of every topic that carries a specimen; only `xray init` reads it."""
    replication: int = Field(default=1, ge=1, le=9)
    """Replication factor of every topic; 3 in production."""


class ServiceSettings(Settings):
    """Settings of every service in addition to the servers' addresses."""

    batch_size: int = Field(default=32, ge=1, le=1000)
    """Most records handled before one commit."""
    workers: int = Field(default=4, ge=1, le=64)
    """Threads that handle the records of a batch."""
    http_host: str = "127.0.0.1"
    """Address of `/metrics` and `/health`; 0.0.0.0 in a container."""
    http_port: int = Field(default=0, ge=0, le=65535)
    """Port of `/metrics` and `/health`; 0 takes a free one and logs it."""
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    """Least severe level that is logged."""
    group_prefix: str = ""
    """Put before the consumer group's name, so that two deployments can share a broker."""
    session_timeout_ms: int = Field(default=10_000, ge=6_000)
    """Kafka session time-out: how long until a killed worker's partitions move."""


SomeSettings = TypeVar("SomeSettings", bound=BaseSettings)


def load(settings: type[SomeSettings]) -> SomeSettings:
    """Read settings from the environment; raises Fatal that names the variable and the problem with its value."""
    try:
        return settings()
    except ValidationError as error:
        listing = "; ".join(
            f"XRAY_{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg']}" for problem in error.errors()
        )
        msg = f"wrong configuration: {listing}"
        raise Fatal(msg) from error


def settings_of(environment: Mapping[str, str]) -> Settings:
    """Return the settings that these XRAY_ variables give, whatever this process's own environment holds."""
    return Settings.model_validate(
        {name.removeprefix("XRAY_").lower(): value for name, value in environment.items() if name.startswith("XRAY_")}
    )
