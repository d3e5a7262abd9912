"""Run a Prometheus on this machine and query it, for tests and for the trial of the containers.

The programs of Prometheus and Alertmanager for tests, from the PATH or from Debian's packages.

The packages are downloaded and unpacked into the clone's cache, which needs no root and starts no service.
"""

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from deploy.local.folder import CACHE
from deploy.local.locks import locked
from services.common.ports import LOOPBACK, choose
from services.common.tied import tied

Program = Literal["prometheus", "promtool", "alertmanager", "amtool"]
_PACKAGES: Final[dict[Program, str]] = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
}
_DEBIAN_NAMES: Final[dict[Program, str]] = {"alertmanager": "prometheus-alertmanager"}
_DOWNLOAD_SECONDS: Final = 300.0


class ProgramMissing(Exception):
    """A program is not installed and cannot be downloaded; the message gives a remedy."""


def program(name: Program, cache: Path = CACHE / "debian") -> Path:
    """Return the path of a program; the first call downloads about 20 MB if it is not installed.

    Raises:
        ProgramMissing: it is not on the PATH, and Debian's tools are missing or cannot download it.
    """
    for known_as in (name, _DEBIAN_NAMES.get(name, name)):
        if found := shutil.which(known_as):
            return Path(found)
    folder = cache / _PACKAGES[name]
    path = folder / "usr" / "bin" / _DEBIAN_NAMES.get(name, name)
    with locked(cache / "lock", _DOWNLOAD_SECONDS, waiting=lambda: None):
        if not path.exists():
            _unpack(_PACKAGES[name], folder)
    return path


def _unpack(package: str, folder: Path) -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise ProgramMissing(f"install {package}: it is not on the PATH, and this system has no Debian packages")
    download = folder.with_suffix(".download")
    shutil.rmtree(download, ignore_errors=True)
    download.mkdir(parents=True)
    # As root, apt tries to download as another user, which may not write here; it prints a warning and uses root.
    _run("apt-get", "--quiet", "download", package, cwd=download)
    (archive,) = download.glob(f"{package}_*.deb")
    _run("dpkg-deb", "--extract", archive.name, "root", cwd=download)
    shutil.rmtree(folder, ignore_errors=True)
    (download / "root").rename(folder)
    shutil.rmtree(download)


def _run(*command: str, cwd: Path) -> None:
    ended = subprocess.run(  # noqa: S603 - our own arguments, no shell
        command, cwd=cwd, capture_output=True, text=True, check=False, timeout=_DOWNLOAD_SECONDS
    )
    if ended.returncode != 0:
        output = (ended.stdout + ended.stderr).strip()[-500:]
        raise ProgramMissing(f"`{' '.join(command)}` failed; `apt-get update` may help: {output}")


SCRAPE_SECONDS: Final = 1
_RULES: Final = Path(__file__).with_name("rules")
_READY_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Target:
    """A port of this machine to scrape, with the name of its job and further labels."""

    job: str
    port: int
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Series:
    """One series of a result: its labels, and (Unix time, value) pairs."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


class QueryRefused(Exception):
    """Prometheus did not accept an expression; the message is its own."""


class Prometheus:
    """A running Prometheus."""

    def __init__(self, url: str) -> None:
        """Set the address."""
        self.url = url

    def over(self, expression: str, begin: float, end: float, step: float) -> list[Series]:
        """Evaluate from `begin` to `end` (Unix time) every `step` seconds. Raises QueryRefused."""
        found = self._ask("query_range", query=expression, start=begin, end=end, step=step)["result"]
        return [Series(one["metric"], tuple((at, float(value)) for at, value in one["values"])) for one in found]

    def now(self, expression: str) -> list[Series]:
        """Evaluate now. Raises QueryRefused."""
        found = self._ask("query", query=expression)["result"]
        return [Series(one["metric"], ((one["value"][0], float(one["value"][1])),)) for one in found]

    def _ask(self, what: str, **parameters: object) -> Any:
        url = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own server
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise QueryRefused(f"{json.load(error)['error']}: {parameters}") from error

    def answers(self) -> bool:
        """Return whether it is ready."""
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:  # noqa: S310 - our own server
                return bool(answer.status == 200)
        except OSError:
            return False


@contextmanager
def scraping(folder: Path, targets: list[Target]) -> Iterator[Prometheus]:
    """Run Prometheus with the deployed rules, with data and log in `folder`; it dies with this process."""
    folder.mkdir(parents=True, exist_ok=True)
    (port,) = choose(1)
    configuration = folder / "prometheus.yml"
    configuration.write_text(yaml.safe_dump(_configuration(targets)))
    command = [
        str(program("prometheus")),
        f"--config.file={configuration}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={LOOPBACK}:{port}",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(tied(command), stdout=log, stderr=log, process_group=0)  # noqa: S603 - our own arguments
    try:
        server = Prometheus(f"http://{LOOPBACK}:{port}")
        _wait(server, process, folder / "prometheus.log")
        yield server
    finally:
        process.terminate()
        process.wait()


def _wait(server: Prometheus, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while not server.answers():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Prometheus did not start: {log.read_text()[-1000:]}")
        time.sleep(0.1)


def _configuration(targets: list[Target]) -> dict[str, object]:
    jobs = sorted({target.job for target in targets})
    every = f"{SCRAPE_SECONDS}s"
    return {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "rule_files": [str(_RULES / "*.yml")],
        "scrape_configs": [
            {
                "job_name": job,
                "static_configs": [
                    {"targets": [f"{LOOPBACK}:{target.port}"], "labels": dict(target.labels)}
                    for target in targets
                    if target.job == job
                ],
            }
            for job in jobs
        ],
    }
