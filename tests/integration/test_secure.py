"""A secure stack: the main path works with each process's own credentials, and everyone else is refused."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import boto3
import psycopg
import pytest
from botocore.exceptions import ClientError
from kafka import TopicPartition

from deploy.local.security import ADMIN, BUCKET, CENTRE, OPERATOR, PRINCIPALS, SUBSCRIBER
from deploy.local.stack import Stack
from services.common.errors import Fatal
from services.common.events import ImageEvent
from services.common.kafka.clients import open_admin, open_consumer, open_producer
from services.common.kafka.errors import translated
from services.common.kafka.reading import ranges_of, read
from services.common.settings import ServiceSettings, Settings, settings_of
from services.common.topics import ACTIVE_MODELS, CALLS, CENTRE_IMAGES, IMAGES, TOPICS, VIEWS
from services.common.topology import SERVICES
from services.operations.access import grant, grantees, wanted_rights
from services.operations.processes import Processes
from services.registry.triton_client import connect, load, ready_versions
from tests.integration.test_cli import write_mouse

pytestmark = [
    pytest.mark.integration,
    # kafka-python does not close its socket when the TLS handshake fails
    pytest.mark.filterwarnings(r"ignore:unclosed <ssl\.SSLSocket:ResourceWarning"),
    pytest.mark.filterwarnings(r"ignore:Exception ignored in. <ssl\.SSLSocket:pytest.PytestUnraisableExceptionWarning"),
]

CLONE: Final = Path(__file__).resolve().parents[2]
SPECIMEN: Final = "secure-1"
OWN: Final = CENTRE_IMAGES.of("JAX").name
PROGRAM: Final = "models/convnext/1/model.py"


class Secure:
    """A secure stack with all services, and what each principal may do with it."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack, self.folder = stack, folder
        tables = {"XRAY_MONITOR_FOLDER": str(folder / "tables")}
        self.services = Processes(SERVICES, stack.environment() | tables, folder / "logs")

    def settings(self, principal: str, **changes: str) -> Settings:
        return settings_of(self.stack.credentials(principal) | changes)

    def xray(self, principal: str, *arguments: object, exit_code: int = 0) -> str:
        """Run a command with a principal's credentials and return what it printed, or its error message."""
        environment = self.stack.credentials(principal) | {"XDG_STATE_HOME": str(self.folder / "state")}
        command = [sys.executable, "-m", "services.cli.main", *map(str, arguments)]
        answer = subprocess.run(
            command, cwd=CLONE, env=os.environ | environment, capture_output=True, check=False, text=True
        )
        assert answer.returncode == exit_code, answer.stderr
        return answer.stderr if exit_code else answer.stdout

    def objects(self, principal: str) -> Any:
        settings = self.settings(principal)
        return boto3.client(
            "s3",
            endpoint_url=settings.s3_endpoint,
            aws_access_key_id=settings.s3_access_key,
            aws_secret_access_key=settings.s3_secret_key.get_secret_value(),
            region_name=settings.s3_region,
            verify=settings.s3_ca_file,
        )


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    folder = tmp_path_factory.mktemp("secure")
    stack = Stack(folder / "stack", tied=True, secure=True)
    try:
        stack.up()
        system = Secure(stack, folder)
        system.xray(ADMIN, "init")
        roles = ("--operator", OPERATOR, "--centre", f"{CENTRE}=JAX", "--subscriber", SUBSCRIBER)
        system.xray(ADMIN, "access", *roles)
        with system.services:
            system.services.wait_ready(seconds=120)
            yield system
    finally:
        stack.down()


@pytest.fixture(scope="module")
def called(secure: Secure, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """The call of a specimen that a centre pushed, as the operator reads it in the ledger."""
    folder = write_mouse(tmp_path_factory.mktemp("scans"), SPECIMEN, seed=21)
    secure.xray(CENTRE, "push", folder, "--centre", "JAX", "--specimen", SPECIMEN)
    deadline = time.monotonic() + 60
    while not (calls := secure.xray(OPERATOR, "calls", "--json").splitlines()):
        assert time.monotonic() < deadline, {name: secure.services.log_tail(name) for name in SERVICES}
        time.sleep(0.5)
    found: Mapping[str, Any] = json.loads(calls[0])
    return found


def test_an_image_of_a_centre_becomes_a_call_that_a_subscriber_reads(secure: Secure, called: Mapping[str, Any]) -> None:
    assert called["biological_sample_id"] == SPECIMEN
    with closing(
        open_consumer(secure.settings(SUBSCRIBER), group_id=f"{SUBSCRIBER}-1", auto_offset_reset="earliest")
    ) as consumer:
        consumer.subscribe([CALLS.name])
        assert next(iter(consumer)).key == SPECIMEN.encode()
    with psycopg.connect(secure.settings(SUBSCRIBER).postgres_dsn.get_secret_value()) as connection:
        assert connection.execute("select count(*) from current_call").fetchone() == (1,)


def test_a_wrong_password_is_refused_at_once_with_the_settings_in_the_message(secure: Secure) -> None:
    wrong = secure.settings(CENTRE, XRAY_KAFKA_PASSWORD="wrong")
    for client in (open_admin, open_consumer, open_producer):
        began = time.monotonic()
        with pytest.raises(Fatal, match="XRAY_KAFKA_USERNAME, XRAY_KAFKA_PASSWORD"):
            client(wrong)
        assert time.monotonic() - began < 5


def test_a_service_with_a_wrong_password_stops(secure: Secure, tmp_path: Path) -> None:
    environment = secure.stack.environment() | {"XRAY_CREDENTIALS": "", "XRAY_KAFKA_PASSWORD": "wrong"}
    for name in ("intake", "monitor"):
        command = [sys.executable, "-m", "services.cli.main", "run", name]
        ended = subprocess.run(
            command, env=os.environ | environment, capture_output=True, check=False, text=True, timeout=30
        )
        assert ended.returncode == 2
        assert "XRAY_KAFKA_PASSWORD" in ended.stderr


def test_no_certificate_and_no_tls_are_refused(secure: Secure) -> None:
    port = secure.stack.servers["kafka"].ports["broker_certificates"]
    authority, security = secure.settings(ADMIN).kafka_ca_file, secure.stack.security
    base = {"kafka_bootstrap": f"127.0.0.1:{port}", "kafka_security": "SSL", "kafka_ca_file": authority}
    files = {"kafka_cert_file": str(security.certificate("intake")), "kafka_key_file": str(security.key("intake"))}
    open_admin(Settings.model_validate(base | files)).close()
    for refused in (base, base | {"kafka_ca_file": ""}, {"kafka_bootstrap": base["kafka_bootstrap"]}):
        with pytest.raises(Fatal, match="XRAY_KAFKA_SECURITY"):
            open_admin(Settings.model_validate(refused))


def publish(settings: Settings, topic: str) -> None:
    with closing(open_producer(settings)) as producer, translated("publish"):
        producer.send(topic, value=b"{}").get(timeout=10)


@pytest.mark.parametrize(
    ("principal", "topic"),
    [
        (CENTRE, IMAGES.name),
        (CENTRE, CENTRE_IMAGES.of("BCM").name),
        (CENTRE, VIEWS.name),
        (CENTRE, ACTIVE_MODELS.name),
        (SUBSCRIBER, CALLS.name),
        ("intake", ACTIVE_MODELS.name),
        ("classifier", ACTIVE_MODELS.name),
        ("sink", CALLS.name),
        (CENTRE, "an.unlisted.topic"),
    ],
)
def test_a_topic_that_is_not_a_principals_own_is_refused(secure: Secure, principal: str, topic: str) -> None:
    with pytest.raises(Fatal, match="AuthorizationFailed"):
        publish(secure.settings(principal), topic)


def test_an_image_under_another_centres_name_is_rejected_and_counts_as_its_senders(
    secure: Secure, called: Mapping[str, Any]
) -> None:
    forged = ImageEvent(
        biological_sample_id="secure-forged",
        centre="BCM",
        parameter_stable_id="IMPC_XRY_034_001",
        image_uri=f"s3://{BUCKET}/originals/00/forged",
    )
    with closing(open_producer(secure.settings(CENTRE))) as producer:
        producer.send(OWN, key=forged.key.encode(), value=forged.encode()).get(timeout=10)
    listing = ("rejections", "list", "--reason", "centre_mismatch", "--json")
    deadline = time.monotonic() + 60
    while not (lines := secure.xray(OPERATOR, *listing).splitlines()):
        assert time.monotonic() < deadline, secure.services.log_tail("admission")
        time.sleep(0.5)
    [found] = map(json.loads, lines)
    assert (found["stage"], found["centre"]) == ("admission", "JAX")
    with closing(open_consumer(secure.settings(OPERATOR))) as consumer:
        announced = [record.value for record in read(consumer, ranges_of(consumer, [IMAGES.name]))]
    assert announced
    assert not [value for value in announced if b"secure-forged" in value]


def test_a_centre_sees_only_the_topic_that_it_writes_and_reads_nothing(secure: Secure) -> None:
    with closing(open_consumer(secure.settings(CENTRE), auto_offset_reset="earliest")) as consumer:
        assert consumer.topics() == {OWN}
        consumer.assign([TopicPartition(OWN, 0)])
        with pytest.raises(Fatal, match="TopicAuthorizationFailed"), translated("read"):
            consumer.poll(timeout_ms=5_000)


def test_the_rights_on_the_broker_are_those_of_the_table(secure: Secure) -> None:
    roles = [
        *grantees("operator", [OPERATOR]),
        *grantees("centre", [f"{CENTRE}=JAX"]),
        *grantees("subscriber", [SUBSCRIBER]),
    ]
    settings = ServiceSettings.model_validate(secure.settings(ADMIN).model_dump())
    steps = grant(settings, roles, dry_run=True)
    assert {step.outcome for step in steps} == {"unchanged"}
    assert [step.right for step in steps] == wanted_rights(settings, roles)


def refused(action: Callable[..., Any], key: str, **more: Any) -> bool:
    try:
        action(Bucket=BUCKET, Key=key, **more)
    except ClientError as error:
        return bool(error.response["Error"]["Code"] in {"AccessDenied", "403"})
    return False


def test_intake_cannot_write_where_triton_loads_programs_from(secure: Secure, called: Mapping[str, Any]) -> None:
    assert called
    intake, admin = secure.objects("intake"), secure.objects(ADMIN)
    admin.put_object(Bucket=BUCKET, Key=PROGRAM, Body=b"")
    for key in (PROGRAM, "tensors/planted.npy"):
        assert refused(intake.put_object, key, Body=b"import os")
    assert refused(intake.get_object, PROGRAM)
    assert refused(intake.delete_object, PROGRAM)


def test_a_service_reads_no_objects_of_another(secure: Secure, called: Mapping[str, Any]) -> None:
    assert called
    listed = secure.objects(ADMIN).list_objects_v2(Bucket=BUCKET)["Contents"]
    keys = {
        prefix: next(one["Key"] for one in listed if one["Key"].startswith(prefix))
        for prefix in ("originals/", "views/")
    }
    for principal, prefix in (
        ("classifier", "views/"),
        ("classifier", "originals/"),
        ("fuser", "originals/"),
        (CENTRE, "views/"),
    ):
        client = secure.objects(principal)
        assert refused(client.get_object, keys[prefix])
    secure.objects("fuser").get_object(Bucket=BUCKET, Key=keys["views/"])


def test_a_stranger_loads_no_model(secure: Secure) -> None:
    for stranger in (secure.settings("intake"), secure.settings(ADMIN, XRAY_TRITON_CONTROL_KEY="guessed")):
        with closing(connect(stranger)) as client:
            for action in (lambda: load(client, "cae"), lambda: ready_versions(client)):
                with pytest.raises(Fatal, match="XRAY_TRITON_CONTROL_KEY"):
                    action()
    url = secure.stack.environment()["XRAY_TRITON_HTTP"] + "/v2/repository/models/cae/load"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(urllib.request.Request(url, data=b"{}", method="POST"), timeout=5)
    with closing(connect(secure.settings(OPERATOR))) as client:
        load(client, "cae")


def test_a_reader_of_the_ledger_changes_nothing(secure: Secure) -> None:
    for principal in (SUBSCRIBER, OPERATOR):
        dsn = secure.settings(principal).postgres_dsn.get_secret_value()
        with psycopg.connect(dsn) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("delete from call")
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(secure.settings("intake").postgres_dsn.get_secret_value())


@pytest.mark.parametrize("command", [("status",), ("reconcile",), ("models", "list"), ("trace", SPECIMEN)])
def test_an_operator_does_the_daily_work(secure: Secure, called: Mapping[str, Any], command: tuple[str, ...]) -> None:
    assert called
    assert secure.xray(OPERATOR, *command)


def test_an_operator_does_not_set_the_system_up(secure: Secure) -> None:
    assert "use those of a super user" in secure.xray(OPERATOR, "init", exit_code=2)
    assert "ClusterAuthorizationFailed" in secure.xray(OPERATOR, "access", exit_code=2)


def test_no_password_reaches_a_log_a_metric_a_topic_or_the_ledger(secure: Secure, called: Mapping[str, Any]) -> None:
    assert called
    names = (*PRINCIPALS, "postgres", "triton_control")
    passwords = re.compile("|".join(secure.stack.security.password(name) for name in names))
    assert passwords.search(secure.stack.folder.environment_file.read_text())
    texts = [*shown(secure), *readable_by_others(secure.folder), *records(secure), *rows(secure)]
    assert len(texts) > 40
    assert not [text[:200] for text in texts if passwords.search(text)]


def shown(secure: Secure) -> Iterator[str]:
    """What the services show to everybody."""
    for name in SERVICES:
        for path in ("metrics", "health/ready", "health/live"):
            with urllib.request.urlopen(f"http://127.0.0.1:{secure.services.port(name)}/{path}", timeout=5) as answer:
                yield answer.read().decode()


def readable_by_others(folder: Path) -> Iterator[str]:
    """Logs, and every other text that is not private."""
    for file in folder.rglob("*"):
        text = file.is_file() and file.suffix in {"", ".log", ".env", ".json", ".toml", ".properties"}
        if text and (file.suffix == ".log" or file.stat().st_mode & 0o044):
            yield file.read_text(errors="replace")


def records(secure: Secure) -> Iterator[str]:
    with closing(open_consumer(secure.settings(ADMIN))) as consumer:
        for record in read(consumer, ranges_of(consumer, [topic.name for topic in TOPICS])):
            yield f"{record.key!r} {record.value!r} {record.headers!r}"


def rows(secure: Secure) -> Iterator[str]:
    with psycopg.connect(secure.settings(ADMIN).postgres_dsn.get_secret_value()) as connection:
        for table in ("specimen", "image", "view", "call", "rejection", "review", "shadow_call"):
            yield str(connection.execute(f"select x::text from {table} x".encode()).fetchall())
