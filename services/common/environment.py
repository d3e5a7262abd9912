"""Where this program runs from, and the local stack's environment file, whose values commands adopt.

`xray stack up` writes it; it has one KEY=VALUE line per XRAY_ variable by which services find the servers.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from services.common.errors import Fatal

CLONE: Final = Path(__file__).resolve().parents[2]
"""The clone of the repository that this program runs from; site-packages if a wheel was installed."""
_FILE: Final = "environment"
CREDENTIALS: Final = "XRAY_CREDENTIALS"
"""Names a folder with one file SERVICE.env per service, whose variables give that service its own credentials."""


def in_clone() -> bool:
    """Return whether this program runs from a clone of the repository, not from an installed wheel."""
    return (CLONE / "Makefile").is_file()


def install_command(extra: str) -> str:
    """Return the command that installs an extra of pyproject.toml: a make target in a clone, else pip.

    Several extras are separated by commas.
    """
    if not in_clone():
        return f"pip install 'mouse-xray-phenotyping[{extra}]'"
    return "make setup-dev" if extra == "training" else "make setup"


def work_folder() -> Path:
    """Return the folder below which commands keep their files by default: the clone, else the current directory."""
    return CLONE if in_clone() else Path.cwd()


def stack_folder() -> Path:
    """Return the folder in which the local stack keeps its state: XRAY_STACK_FOLDER, else `.stack` of `work_folder`."""
    return Path(os.environ.get("XRAY_STACK_FOLDER") or work_folder() / ".stack")


def environment_file(folder: Path) -> Path:
    """Return the path of the environment file of the stack in `folder`."""
    return folder / _FILE


def read_environment(folder: Path) -> dict[str, str]:
    """Return the variables of the stack in `folder`; empty if `xray stack up` has never run there."""
    return _read(environment_file(folder))


def own_credentials(service: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of a service's own credentials; empty if `environment` names no folder of credentials.

    They set every variable that holds a secret, so a service does not inherit those of whoever starts it. Raises Fatal
    if the folder has no file for the service.
    """
    if not (folder := environment.get(CREDENTIALS)):
        return {}
    file = Path(folder) / f"{service}.env"
    if not (found := _read(file)):
        msg = f"there are no credentials for {service}: {file} is missing or empty ({CREDENTIALS})"
        raise Fatal(msg)
    return found | {CREDENTIALS: ""}


def _read(file: Path) -> dict[str, str]:
    try:
        lines = file.read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return {}
    return dict(line.split("=", 1) for line in lines)


def adopt_local_stack() -> None:
    """Set every XRAY_ variable that is not in the environment to the local stack's value, if there is a stack."""
    for name, value in read_environment(stack_folder()).items():
        os.environ.setdefault(name, value)
