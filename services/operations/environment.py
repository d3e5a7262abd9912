"""Settings that the environment does not name are taken from the local stack."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from services.common.settings import Settings

CLONE: Final = Path(__file__).resolve().parents[2]
"""The clone of the repository that this program was installed from."""


def stack_folder() -> Path:
    """Return where the local stack keeps its state: XRAY_STACK_FOLDER, else `.stack` of the clone."""
    chosen = os.environ.get("XRAY_STACK_FOLDER")
    return Path(chosen) if chosen else CLONE / ".stack"


def adopt_running_stack() -> None:
    """Set every XRAY_ variable that is missing from the environment to the local stack's value, if there is a stack."""
    folder = stack_folder()
    if not (folder / "environment").exists():
        return
    try:
        stack = importlib.import_module("deploy.local.stack")
    except ImportError:
        return
    for name, value in stack.load_environment(folder).items():
        os.environ.setdefault(name, value)


def settings_of(environment: Mapping[str, str]) -> Settings:
    """Return the settings that XRAY_ variables stand for, whatever this process's own environment says."""
    return Settings.model_validate(
        {name.removeprefix("XRAY_").lower(): value for name, value in environment.items() if name.startswith("XRAY_")}
    )
