"""The programs of Prometheus and Alertmanager for tests, from the PATH or from Debian's packages.

The packages are downloaded and unpacked into the clone's cache, which needs no root and starts no service.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Final, Literal

from deploy.local.folder import CACHE
from deploy.local.locks import locked

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
    """A program is not installed and cannot be downloaded; the message says what to do."""


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
