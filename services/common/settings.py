"""Settings of every process, read from environment variables (prefix XRAY_); each has a documented default."""

from collections.abc import Mapping
from typing import Final, Literal, Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.common.errors import Fatal

TRITON_CONTROL_HEADER: Final = "control-key"
"""Name of the header that carries XRAY_TRITON_CONTROL_KEY; gRPC clients put `triton-grpc-protocol-` before it."""


class Settings(BaseSettings):
    """Addresses of the servers. The defaults are servers on this machine at their usual ports."""

    model_config = SettingsConfigDict(env_prefix="XRAY_", extra="ignore", frozen=True, use_attribute_docstrings=True)

    kafka_bootstrap: str = "127.0.0.1:9092"
    """Kafka bootstrap servers, `host:port`, comma-separated."""
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How to connect to Kafka: SSL is TLS, SASL a user name and password, SASL_PLAINTEXT for closed networks only."""
    kafka_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = "SCRAM-SHA-512"
    """How SASL proves the password; PLAIN sends it as it is, so it needs SASL_SSL."""
    kafka_username: str = ""
    """User name with SASL."""
    kafka_password: SecretStr = SecretStr("")
    """Password with SASL."""
    kafka_ca_file: str = ""
    """PEM file of the authorities that sign the brokers' certificates; empty: those of this machine."""
    kafka_cert_file: str = ""
    """PEM file of this client's certificate, if the brokers ask for one (mutual TLS)."""
    kafka_key_file: str = ""
    """PEM file of the certificate's private key; empty if XRAY_KAFKA_CERT_FILE contains it."""
    s3_endpoint: str = "http://127.0.0.1:8333"
    """URL of the S3 service."""
    s3_access_key: str = ""
    """S3 access key; without it, boto3's default chain (AWS_ACCESS_KEY_ID, profile, role) gives the credentials."""
    s3_secret_key: SecretStr = SecretStr("")
    """S3 secret key of XRAY_S3_ACCESS_KEY."""
    s3_region: str = "us-east-1"
    """S3 region; most S3 services other than AWS ignore it."""
    s3_ca_file: str = ""
    """PEM file of the authority that signs the S3 service's certificate; empty: those that boto3 knows."""
    s3_bucket: str = "xray"
    """Bucket that holds originals, views and tensors."""
    triton_grpc: str = "127.0.0.1:8001"
    """Triton's gRPC address, `host:port`."""
    triton_ca_file: str = ""
    """PEM file of the authority that signs Triton's certificate; empty: gRPC without TLS."""
    triton_control_key: SecretStr = SecretStr("")
    """Key that Triton asks for before it loads, unloads or lists models; empty if it asks for none."""
    model_repository: str = "model_repository"
    """Folder that Triton serves from, or `s3://bucket/prefix`; only `xray models` reads and writes it."""
    postgres_dsn: SecretStr = SecretStr("postgresql://xray@127.0.0.1:5432/xray")
    """PostgreSQL connection string of the ledger."""
    partitions: int = Field(default=8, ge=1, le=1024)
    """Partition count of every topic that carries a specimen; only `xray init` reads it."""
    ids_by_centre: bool = False
    """Whether ids of specimens begin with the centre and a colon (`JAX:183808`), for centres whose ids are their own.
    Push then adds the centre, and intake refuses any other id. Set it for every process, before the first image."""
    replication: int = Field(default=1, ge=1, le=9)
    """Replication factor of every topic; 3 in production."""

    @model_validator(mode="after")
    def _kafka_login_fits(self) -> Self:
        """Refuse credentials that the chosen security would ignore, and missing or unprotected ones."""
        sasl, tls = self.kafka_security.startswith("SASL"), self.kafka_security.endswith("SSL")
        password = self.kafka_password.get_secret_value()
        if sasl and not (self.kafka_username and password):
            msg = f"XRAY_KAFKA_SECURITY={self.kafka_security} needs XRAY_KAFKA_USERNAME and XRAY_KAFKA_PASSWORD"
        elif not sasl and (self.kafka_username or password):
            msg = (
                f"XRAY_KAFKA_USERNAME and XRAY_KAFKA_PASSWORD need XRAY_KAFKA_SECURITY=SASL_SSL, not "
                f"{self.kafka_security}"
            )
        elif not tls and (self.kafka_ca_file or self.kafka_cert_file or self.kafka_key_file):
            msg = (
                "XRAY_KAFKA_CA_FILE, XRAY_KAFKA_CERT_FILE and XRAY_KAFKA_KEY_FILE need XRAY_KAFKA_SECURITY=SSL or "
                f"SASL_SSL, not {self.kafka_security}"
            )
        elif self.kafka_key_file and not self.kafka_cert_file:
            msg = "XRAY_KAFKA_KEY_FILE needs XRAY_KAFKA_CERT_FILE"
        elif self.kafka_security == "SASL_PLAINTEXT" and self.kafka_mechanism == "PLAIN":
            msg = "XRAY_KAFKA_MECHANISM=PLAIN would send the password unencrypted; set XRAY_KAFKA_SECURITY=SASL_SSL"
        else:
            return self
        raise ValueError(msg)


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
        # Without the cause: pydantic's message repeats the values, and with them the passwords.
        raise _wrong_configuration(error) from None


def _wrong_configuration(error: ValidationError) -> Fatal:
    """Name each variable and the problem with it; a problem with several variables names them itself."""
    problems = [
        f"XRAY_{'_'.join(map(str, one['loc'])).upper()}: {one['msg']}"
        if one["loc"]
        else one["msg"].removeprefix("Value error, ")
        for one in error.errors(include_input=False)
    ]
    return Fatal(f"wrong configuration: {'; '.join(problems)}")


def settings_of(environment: Mapping[str, str]) -> Settings:
    """Return the settings that these XRAY_ variables give, whatever this process's own environment holds."""
    return Settings.model_validate(
        {name.removeprefix("XRAY_").lower(): value for name, value in environment.items() if name.startswith("XRAY_")}
    )
