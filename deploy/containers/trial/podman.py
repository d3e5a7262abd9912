"""Podman in place of Docker: its service on a socket that Docker Compose talks to, and its health checks.

Podman has systemd's timers run health checks; where there is none, nobody does, and Compose waits for ever. So they
are run from here.
"""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from deploy.containers.trial.tools import WORK, TrialError, need, run

PACKAGES: Final = "podman buildah runc netavark aardvark-dns catatonit debootstrap iptables uidmap"
_START_SECONDS: Final = 20.0
_BETWEEN_CHECKS_SECONDS: Final = 2.0
# The usual limits may be above what this machine's root may set.
_CONTAINERS: Final = """\
[containers]
default_ulimits = ["nofile=10000:10000", "nproc=9000:9000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_STORAGE: Final = """\
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
"""


class Podman:
    """Podman's service with images and volumes of its own under a folder, for the length of a block."""

    def __init__(self, folder: Path = WORK / "podman") -> None:
        """Write its configuration; raises TrialError if podman is not installed."""
        need("podman", "runc", "debootstrap", hint=f"on Debian: apt-get install --no-install-recommends {PACKAGES}")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "containers.conf").write_text(_CONTAINERS)
        (folder / "storage.conf").write_text(_STORAGE.format(folder=folder))
        self._socket = folder / "podman.sock"
        self._log = folder / "service.log"
        self._stop = threading.Event()
        self._checks = threading.Thread(target=self._check_health, name="health checks")
        self.environment = {
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "DOCKER_HOST": f"unix://{self._socket}",
        }

    def __enter__(self) -> Self:
        """Start the service and the checks."""
        self._socket.unlink(missing_ok=True)
        command = ["podman", "system", "service", "--time=0", f"unix://{self._socket}"]
        with self._log.open("ab") as log:
            self._service = subprocess.Popen(  # noqa: S603 - our own command, no shell
                command, env=os.environ | self.environment, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._socket.exists():
            if self._service.poll() is not None or time.monotonic() > deadline:
                raise TrialError(f"podman's service did not start; see {self._log}")
            time.sleep(0.1)
        self._checks.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End both."""
        self._stop.set()
        self._checks.join()
        self._service.terminate()
        self._service.wait()

    def podman(self, *words: str | Path) -> str:
        """Run podman on the same images and containers."""
        return run("podman", *words, environment=self.environment)

    def has_image(self, name: str) -> bool:
        """Tell whether an image is there."""
        return bool(self.podman("images", "--quiet", name).strip())

    def build(self, context: Path, dockerfile: Path, target: str, name: str, **arguments: str) -> None:
        """Build one target; what needs the network in it trusts this machine's authorities."""
        given = [word for key, value in arguments.items() for word in ("--build-arg", f"{key}={value}")]
        authorities = Path("/etc/ssl/certs/ca-certificates.crt")
        secret = [f"--secret=id=ca_bundle,src={authorities}"] if authorities.exists() else []
        chosen = ["--isolation=chroot", "--layers", f"--file={dockerfile}", f"--target={target}", f"--tag={name}"]
        self.podman("build", *chosen, *secret, *given, context)

    def _check_health(self) -> None:
        """Run the health check of every container that is not healthy yet."""
        while not self._stop.wait(_BETWEEN_CHECKS_SECONDS):
            for line in self._quietly("ps", "--format", "{{.ID}} {{.Status}}").splitlines():
                if "starting" in line or "unhealthy" in line:
                    self._quietly("healthcheck", "run", line.split()[0])

    def _quietly(self, *words: str) -> str:
        """Run podman whatever comes of it, and not into the trial's log."""
        command = ["podman", *words]
        ended = subprocess.run(  # noqa: S603 - our own command, no shell
            command, env=os.environ | self.environment, capture_output=True, text=True, check=False
        )
        return ended.stdout
