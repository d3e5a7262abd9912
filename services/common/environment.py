"""The local stack's environment file: where it is, what it holds, and how commands adopt its values.

`xray stack up` writes it; it has one KEY=VALUE line per XRAY_ variable by which services find the servers.
"""

import os
from pathlib import Path
from typing import Final

CLONE: Final = Path(__file__).resolve().parents[2]
"""The clone of the repository that this program was installed from."""
_FILE: Final = "environment"


def stack_folder() -> Path:
    """Return the folder in which the local stack keeps its state: XRAY_STACK_FOLDER, else `.stack` of the clone."""
    return Path(os.environ.get("XRAY_STACK_FOLDER") or CLONE / ".stack")


def environment_file(folder: Path) -> Path:
    """Return the path of the environment file of the stack in `folder`."""
    return folder / _FILE


def read_environment(folder: Path) -> dict[str, str]:
    """Return the variables of the stack in `folder`; empty if `xray stack up` has never run there."""
    try:
        lines = environment_file(folder).read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return {}
    return dict(line.split("=", 1) for line in lines)


def adopt_local_stack() -> None:
    """Set every XRAY_ variable that is not in the environment to the local stack's value, if there is a stack."""
    for name, value in read_environment(stack_folder()).items():
        os.environ.setdefault(name, value)
