"""docker-compose.yml compared with the rest of the system, without a container engine."""

from typing import Any

import pytest
from pydantic_settings import BaseSettings

from services.common.settings import ServiceSettings, Settings
from services.common.topology import PIPELINE, SERVICES
from services.intake.settings import IntakeSettings
from services.monitor.settings import MonitorSettings
from tests.deploy.compose_file import CLONE, SERVERS, compose, services, target_of
from tests.deploy.dockerfile import stages

OURS = (*SERVICES, "init", "install-models", "models", "refresh", "demo")
OBSERVERS = ("prometheus", "alertmanager", "grafana", "kafka-exporter", "postgres-exporter")
LASTING = (*SERVICES, *SERVERS, *OBSERVERS, "triton-gpu")
PLANS = ("plan-requests", "plans")
OTHER_SETUP = ("guard", "training-image")
SETTINGS: dict[str, type[BaseSettings]] = {
    **dict.fromkeys(SERVICES, ServiceSettings),
    "intake": IntakeSettings,
    "monitor": MonitorSettings,
    **dict.fromkeys(("init", "install-models", "models", "refresh", "demo"), Settings),
}


def test_it_has_every_service_and_nothing_unknown() -> None:
    assert set(services()) == {*OURS, *LASTING, *PLANS, *OTHER_SETUP}
    assert all(services()[name]["command"] == ["run", name] for name in SERVICES)


@pytest.mark.parametrize("name", OURS)
def test_every_setting_of_our_containers_exists(name: str) -> None:
    settings = SETTINGS[name]
    environment = services()[name]["environment"]
    known = {f"XRAY_{field.upper()}" for field in settings.model_fields}
    assert set(environment) <= known
    settings.model_validate({key.removeprefix("XRAY_").lower(): value for key, value in environment.items()})


@pytest.mark.parametrize("name", OURS)
def test_each_container_gets_the_servers_that_it_uses_and_no_other(name: str) -> None:
    """A service cannot leak a password that it does not have."""
    uses = {
        "admission": {"KAFKA_BOOTSTRAP"},
        "intake": {"KAFKA_BOOTSTRAP", "S3_ENDPOINT"},
        "assembler": {"KAFKA_BOOTSTRAP", "S3_ENDPOINT"},
        "fuser": {"KAFKA_BOOTSTRAP", "S3_ENDPOINT"},
        "classifier": {"KAFKA_BOOTSTRAP", "S3_ENDPOINT", "TRITON_GRPC"},
        "sink": {"KAFKA_BOOTSTRAP", "POSTGRES_DSN"},
        "monitor": {"KAFKA_BOOTSTRAP"},
        "init": {"KAFKA_BOOTSTRAP", "S3_ENDPOINT", "TRITON_GRPC", "POSTGRES_DSN"},
        "install-models": set(),
        "models": {"KAFKA_BOOTSTRAP", "S3_ENDPOINT", "TRITON_GRPC", "POSTGRES_DSN"},
        "refresh": {"KAFKA_BOOTSTRAP", "S3_ENDPOINT", "TRITON_GRPC", "POSTGRES_DSN"},
        "demo": {"KAFKA_BOOTSTRAP", "S3_ENDPOINT", "POSTGRES_DSN"},
    }
    servers = {"KAFKA_BOOTSTRAP", "S3_ENDPOINT", "TRITON_GRPC", "POSTGRES_DSN"}
    given = {key.removeprefix("XRAY_") for key in services()[name]["environment"]}
    assert given & servers == uses[name]


def test_addresses_name_containers_and_the_ports_on_which_they_listen() -> None:
    init = services()["init"]["environment"]
    kafka = services()["kafka"]["environment"]
    assert init["XRAY_KAFKA_BOOTSTRAP"] == "kafka:19092"
    assert "INTERNAL://kafka:19092" in kafka["KAFKA_ADVERTISED_LISTENERS"].split(",")
    assert "INTERNAL://:19092" in kafka["KAFKA_LISTENERS"].split(",")
    assert init["XRAY_S3_ENDPOINT"] == "http://seaweedfs:8333"
    assert {"-s3.port=8333", "-s3.ip.bind=0.0.0.0"} <= set(services()["seaweedfs"]["command"])
    assert init["XRAY_TRITON_GRPC"] == "triton:8001"  # Triton's own default port
    postgres = services()["postgres"]["environment"]
    user, password, database = (postgres[f"POSTGRES_{name}"] for name in ("USER", "PASSWORD", "DB"))
    assert init["XRAY_POSTGRES_DSN"] == f"postgresql://{user}:{password}@postgres:5432/{database}"


def test_store_and_services_share_their_credentials() -> None:
    store, init = services()["seaweedfs"]["environment"], services()["init"]["environment"]
    assert store["AWS_ACCESS_KEY_ID"] == init["XRAY_S3_ACCESS_KEY"]
    assert store["AWS_SECRET_ACCESS_KEY"] == init["XRAY_S3_SECRET_KEY"]


def test_the_internals_of_the_store_stay_inside_its_container() -> None:
    """Master, volume server and filer have no authentication."""
    command = services()["seaweedfs"]["command"]
    assert {"-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer.disableHttp"} <= set(command)


def test_readiness_checks_use_the_ports_of_the_services() -> None:
    for name in SERVICES:
        environment, check = services()[name]["environment"], services()[name]["healthcheck"]["test"]
        assert environment["XRAY_HTTP_HOST"] == "0.0.0.0"
        assert check[:4] == ["CMD", "python", "-m", "services.common.health"]
        assert check[4] == f"http://127.0.0.1:{environment['XRAY_HTTP_PORT']}/health/ready"


@pytest.mark.parametrize("name", LASTING)
def test_health_checks_need_no_shell(name: str) -> None:
    """No argument contains a space, because podman's API splits there."""
    check = services()[name]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert all(" " not in word for word in check["test"])
    assert _seconds(check["timeout"]) <= _seconds(check["interval"])


def test_everything_starts_in_order() -> None:
    for name in SERVICES:
        assert services()[name]["depends_on"] == {"init": {"condition": "service_completed_successfully"}}
    assert _waits_for_health("init") == {*SERVERS, "triton-gpu"}
    assert services()["init"]["depends_on"]["triton-gpu"]["required"] is False
    assert services()["init"]["restart"] == "no"
    assert _waits_for_health("demo") == set(PIPELINE)
    assert services()["demo"]["profiles"] == ["demo"]


def test_triton_loads_every_model_of_the_repository() -> None:
    command = services()["triton"]["command"]
    loaded = {word.removeprefix("--load-model=") for word in command if word.startswith("--load-model=")}
    assert loaded == {configuration.parent.name for configuration in CLONE.glob("model_repository/*/config.pbtxt")}
    assert "--model-control-mode=explicit" in command


def test_the_served_models_are_in_a_volume_that_triton_cannot_write() -> None:
    """It is filled before Triton starts, by the user who owns it, and changed by `models`."""
    install, models, triton = services()["install-models"], services()["models"], services()["triton"]
    assert install["command"] == ["models", "install", "/source"]
    assert install["volumes"] == ["./model_repository:/source:ro,z", "models:/models"]
    assert triton["depends_on"] == {"install-models": {"condition": "service_completed_successfully"}}
    assert (triton["volumes"], models["volumes"]) == (["models:/models:ro"], ["models:/models"])
    assert "--model-repository=/models" in triton["command"]
    assert target_of("install-models") == target_of("models") == "services"
    for one in (install, models):
        assert one["environment"]["XRAY_MODEL_REPOSITORY"] == "/models"
        assert "user" not in one
    assert any("install -d -o 10001 -g 10001" in run and "/models" in run for run in stages()["services"].runs)
    assert models["profiles"] == ["models"]
    assert models["entrypoint"] == ["python", "-m", "services.cli.main", "models"]


def test_messages_as_large_as_the_topics_allow_pass_the_broker() -> None:
    from services.common.topics import TOPICS

    largest = max(int(topic.config.get("max.message.bytes", 0)) for topic in TOPICS)
    assert int(services()["kafka"]["environment"]["KAFKA_MESSAGE_MAX_BYTES"]) >= largest
    assert services()["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


def test_an_open_transaction_holds_readers_back_for_a_minute_at_most() -> None:
    from deploy.local.servers import kafka

    assert int(services()["kafka"]["environment"]["KAFKA_TRANSACTION_MAX_TIMEOUT_MS"]) <= 60_000
    assert "\ntransaction.max.timeout.ms=60000\n" in kafka._PROPERTIES


def test_named_volumes_are_declared_and_used() -> None:
    sources = {mount.split(":")[0] for service in services().values() for mount in service.get("volumes", [])}
    named = {source for source in sources if not source.startswith(".")}
    assert named == set(compose()["volumes"])
    for folder in sources - named:
        assert (CLONE / folder).is_dir()


def _waits_for_health(name: str) -> set[str]:
    waits: dict[str, Any] = services()[name]["depends_on"]
    assert all("healthcheck" in services()[other] for other in waits)
    return {other for other, how in waits.items() if how["condition"] == "service_healthy"}


def _seconds(duration: str) -> int:
    assert duration.endswith("s")
    return int(duration.removesuffix("s"))
