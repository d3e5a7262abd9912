"""The Dockerfile: the contents of the images, and how they are installed."""

import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import PurePath

import pytest

from tests.deploy.compose_file import CLONE, services
from tests.deploy.dockerfile import stages


def test_every_target_of_the_compose_file_is_a_stage() -> None:
    targets = {service["build"]["target"] for service in services().values() if "build" in service}
    assert targets == {"services", "demo", "training", "triton"}
    assert {*targets, "triton-wheel"} <= set(stages())


def test_the_largest_base_is_last() -> None:
    """Builders without BuildKit build all stages before the requested one."""
    last = list(stages().values())[-1]
    assert last.base == "${TRITON_BASE_IMAGE}"
    assert [stage for stage in stages().values() if stage.base == last.base] == [last]


@pytest.mark.parametrize("source", sorted({source for stage in stages().values() for source in stage.copies}))
def test_what_is_copied_exists_and_passes_dockerignore(source: str) -> None:
    assert (CLONE / source).exists()
    assert not _ignored(source)


def test_code_keeps_its_path_in_every_image() -> None:
    """A package in another place cannot be imported."""
    for stage in stages().values():
        for source, target in stage.copies.items():
            if source.startswith(("services", "training")):
                assert target in {f"/app/{source}", f"/app/{PurePath(source).parent}/"}, source


def test_the_demo_on_running_services_does_not_import_deploy() -> None:
    """The image `demo` contains neither the package `deploy` nor the servers."""
    code = "import sys, services.cli.demo.command; print({name.split('.')[0] for name in sys.modules} & {'deploy'})"
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=CLONE) == "set()\n"


def test_nothing_else_enters_the_build() -> None:
    for path in (
        "README.md",
        ".env",
        ".git",
        "training/runs/demo/run.json",
        "requirements/dev.txt",
        "tests",
        "model_repository",
    ):
        assert _ignored(path), path


def test_packages_are_installed_with_hashes_and_without_building() -> None:
    installs = [run for stage in stages().values() for run in stage.runs if "pip install" in run]
    assert len(installs) == 5
    assert all("--require-hashes" in run for run in installs)
    assert all("--only-binary :all:" in run for run in installs if "uv pip" in run)


def test_serving_needs_no_torch() -> None:
    packages = (CLONE / "requirements" / "serving.txt").read_text()
    assert "onnxruntime==" in packages
    assert not re.search(r"^(torch|nvidia-|triton==|timm)", packages, re.MULTILINE)


def test_uv_has_the_version_of_the_makefile() -> None:
    (version,) = re.findall(r"^UV_VERSION := (.*)$", (CLONE / "Makefile").read_text(), re.MULTILINE)
    assert (CLONE / "deploy" / "containers" / "uv.txt").read_text().startswith(f"uv=={version} ")


def test_tritons_packages_fit_its_python_backend() -> None:
    """The backend is compiled against NumPy 1; in NVIDIA's image it runs Python 3.12."""
    packages = (CLONE / "deploy" / "containers" / "triton-25.07.txt").read_text()
    assert re.search(r"^numpy==1\.", packages, re.MULTILINE)
    assert re.search(r"^onnxruntime==1\.", packages, re.MULTILINE)


def _ignored(path: str) -> bool:
    """Docker's rule: the last line that matches the path or a folder above it decides."""
    ignored = False
    for line in (CLONE / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if line.startswith("#") or not line:
            continue
        parts = [str(PurePath(path)), *map(str, PurePath(path).parents)]
        if any(fnmatch(part, pattern) for part in parts if part != "."):
            ignored = not line.startswith("!")
    return ignored
