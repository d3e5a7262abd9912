"""The virtual environment of Triton: nvidia-pytriton's server and the packages that its Python backend imports."""

import ctypes.util
import hashlib
import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.folder import CACHE, check_clone
from deploy.local.task import Task
from services.common.environment import CLONE

_VENV = CACHE / "triton-venv"
_REQUIREMENTS = CLONE / "requirements" / "triton.txt"
_INSTALL_S = 900.0
_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class TritonEnvironment:
    """A complete virtual environment at `root`, with the same Python as this process."""

    root: Path

    @property
    def _packages(self) -> Path:
        return self.root / "lib" / f"python{_VERSION}" / "site-packages"

    @property
    def server(self) -> Path:
        """The program tritonserver."""
        return self._packages / "pytriton" / "tritonserver" / "bin" / "tritonserver"

    @property
    def backends(self) -> Path:
        """The backend directory, with the Python backend and its stub for this Python version."""
        return self.root / "backends"

    def variables(self) -> dict[str, str]:
        """Return the variables by which the server finds its libraries, and the stub its Python and packages."""
        libraries = (self._packages / "nvidia_pytriton.libs", Path(str(sysconfig.get_config_var("LIBDIR"))))
        path = f"{self.root / 'bin'}:{os.environ.get('PATH', os.defpath)}"
        return {"LD_LIBRARY_PATH": ":".join(map(str, libraries)), "PATH": path}

    def assemble_backends(self) -> None:
        """Copy the Python backend and the stub for this Python into one folder, and make the programs executable."""
        source = self.server.parents[1]
        stub = source / "python_backend_stubs" / _VERSION / "triton_python_backend_stub"
        if not stub.exists():
            message = f"nvidia-pytriton has no Python backend for Python {_VERSION}"
            raise StackError("triton", message, "use Python 3.11: `make clean`, then `make setup PYTHON=python3.11`")
        shutil.rmtree(self.backends, ignore_errors=True)
        shutil.copytree(source / "backends" / "python", self.backends / "python")
        shutil.copy(stub, self.backends / "python")
        for program in (self.server, self.backends / "python" / stub.name):
            program.chmod(0o755)


def triton_environment(task: Task) -> TritonEnvironment:
    """Return the environment; install it if the cache has none for this Python and these requirements.

    Raises:
        StackError: this is no clone, uv or the shared library of Python is missing, or the installation failed.
    """
    check_clone("triton")
    _check_libpython()
    stamp = _VENV / ".complete"
    expected = f"{sys.base_prefix} {_VERSION} {hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()}\n"
    if not _contains(stamp, expected):
        with task.shared_lock(CACHE / "triton-venv.lock") as lock:
            if not _contains(stamp, expected):
                task.say("installing Triton into a separate environment (380 MB, once)")
                uv = _find_uv()
                create = (uv, "venv", "--quiet", "--clear", "--no-project", "--python", sys.executable, str(_VENV))
                task.run(create, timeout_s=_INSTALL_S, locks=(lock,))
                install = (
                    uv,
                    "pip",
                    "install",
                    "--quiet",
                    "--require-hashes",
                    "--python",
                    str(_VENV / "bin" / "python"),
                )
                task.run((*install, "-r", str(_REQUIREMENTS)), timeout_s=_INSTALL_S, locks=(lock,))
                TritonEnvironment(_VENV).assemble_backends()
                stamp.write_text(expected, encoding="utf-8")
    return TritonEnvironment(_VENV)


def _contains(stamp: Path, expected: str) -> bool:
    return stamp.exists() and stamp.read_text(encoding="utf-8") == expected


def _find_uv() -> str:
    own = CLONE / ".tools" / "uv" / "bin" / "uv"
    uv = str(own) if own.exists() else shutil.which("uv")
    if uv is None:
        raise StackError("triton", "`uv` is not installed", "run `make setup`, which installs it into the clone")
    return uv


def _check_libpython() -> None:
    library = str(sysconfig.get_config_var("INSTSONAME"))
    neighbour = Path(str(sysconfig.get_config_var("LIBDIR"))) / library
    if not neighbour.exists() and ctypes.util.find_library(f"python{_VERSION}") is None:
        message = f"this Python has no shared library ({library}), which Triton's Python backend needs"
        remedy = (
            f"install it (Debian: `apt install libpython{_VERSION}`), or use a Python of `uv python install {_VERSION}`"
        )
        raise StackError("triton", message, remedy)
