"""Kafka Connect with Debezium's JDBC sink: jars from Maven Central, one standalone worker."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.local.folder import CACHE
from deploy.local.servers.kafka import find_java
from deploy.local.versions import KAFKA

DEBEZIUM: Final = "3.2.0.Final"
WORKER: Final = CACHE / f"connect-{KAFKA}"
PLUGINS: Final = CACHE / f"connect-plugins-{DEBEZIUM}"
_RESOLVE: Final = """
import shutil, sys
from pathlib import Path
import jgo
partial = Path(sys.argv[2] + ".partial")
shutil.rmtree(partial, ignore_errors=True)
partial.mkdir(parents=True)
for artifact in jgo.resolve(sys.argv[1]):
    jar = Path(artifact.resolve())
    if not jar.name.startswith(tuple(sys.argv[3:])):
        shutil.copyfile(jar, partial / jar.name)
partial.rename(sys.argv[2])
"""


def fetch_jars() -> None:
    """Download the worker (33 MB) and the connector (34 MB) once."""
    worker = f"org.apache.kafka:connect-runtime:{KAFKA}+org.apache.kafka:connect-json:{KAFKA}"
    _resolve(f"{worker}+org.slf4j:slf4j-simple:1.7.36", WORKER)
    # The worker brings Jackson and SLF4J. A second copy in the plugin's class loader stops its task.
    _resolve(f"io.debezium:debezium-connector-jdbc:{DEBEZIUM}", PLUGINS / "debezium-jdbc", "jackson-", "slf4j-")


def _resolve(coordinates: str, folder: Path, *without: str) -> None:
    if not folder.exists():
        environment = {**os.environ, "M2_REPO": str(CACHE / "maven")}
        command = [sys.executable, "-c", _RESOLVE, coordinates, str(folder), *without]
        subprocess.run(command, check=True, env=environment, timeout=900)


@contextmanager
def worker(files: Path, folder: Path, variables: Mapping[str, str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    """Run the example's worker and connector in their own folder. The output goes to `connect.log` in that folder."""
    properties = (files / "worker.properties").read_text()
    for example, here in ((":8083", f":{port}"), ("/opt/connect-plugins", str(PLUGINS))):
        assert properties.count(example) == 1
        properties = properties.replace(example, here)
    (folder / "worker.properties").write_text(properties)
    shutil.copyfile(files / "jdbc-sink.json", folder / "jdbc-sink.json")
    options = (
        "-Xmx512m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    )
    command = (str(find_java()), *options, "-cp", f"{WORKER}/*", "org.apache.kafka.connect.cli.ConnectStandalone")
    with (folder / "connect.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "worker.properties", "jdbc-sink.json"],
            cwd=folder,
            env=os.environ | dict(variables),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
