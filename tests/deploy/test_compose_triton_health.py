"""The health check of Triton's container against a real Triton."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from deploy.containers import triton_health
from deploy.local.stack import Stack
from services.common.settings import settings_of
from services.registry.repository import ModelRepository
from services.registry.triton_client import connect, load
from tests.deploy.compose_file import CLONE
from tests.registry.under_load import brought
from tests.registry.variants import MODEL, shifted, write_variant

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A separate server, because this test breaks it."""
    stack = Stack(tmp_path_factory.mktemp("triton"), tied=True)
    stack.up(["triton"])
    yield stack
    stack.down()


def test_every_model_answers(triton: Stack) -> None:
    assert triton_health.check(_url(triton)) == ["cae", "convnext"]
    assert _program(_url(triton)).returncode == 0


def test_a_damaged_version_next_to_a_good_one_causes_no_restart(triton: Stack, tmp_path: Path) -> None:
    repository = ModelRepository(triton.environment()["XRAY_MODEL_REPOSITORY"])
    write_variant(tmp_path, 2, shifted(0.1))
    brought(repository, tmp_path, 2)
    graph = repository.folder(MODEL, 2) / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-100])
    with closing(connect(settings_of(triton.environment()))) as client:
        for versions in ([1, 2], [1]):  # loaded next to it, then unloaded
            repository.serve(MODEL, versions)
            load(client, MODEL)
            assert triton_health.check(_url(triton)) == ["cae", "convnext"]


def test_a_dead_stub_is_found_although_triton_reports_ready(triton: Stack) -> None:
    import urllib.request

    for process in psutil.process_iter(["name", "cmdline"]):
        of_this_server = str(_folder(triton)) in " ".join(process.info["cmdline"] or ())
        if of_this_server and process.info["name"].startswith("triton_python"):
            process.kill()
    time.sleep(0.5)
    with urllib.request.urlopen(f"{_url(triton)}/v2/models/cae/ready") as ready:
        assert ready.status == 200
    answer = _program(_url(triton))
    assert answer.returncode == 1
    assert "/v2/models/cae/versions/1/infer" in answer.stderr


def test_no_server() -> None:
    answer = _program("http://127.0.0.1:9")
    assert answer.returncode == 1
    assert "refused" in answer.stderr


def _url(stack: Stack) -> str:
    return stack.environment()["XRAY_TRITON_HTTP"]


def _folder(stack: Stack) -> Path:
    return stack.folder.home("triton")


def _program(url: str) -> subprocess.CompletedProcess[str]:
    """As in the container: a file, without the project's packages."""
    file = CLONE / "deploy" / "containers" / "triton_health.py"
    return subprocess.run([sys.executable, "-I", str(file), url], capture_output=True, text=True, check=False)
