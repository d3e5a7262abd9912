"""Profile gpu: plans are built in the image and on the GPU that serve them, then served in triton's place."""

import re
from pathlib import Path

import pytest

from tests.deploy.compose_file import CLONE, compose_with, services, target_of
from tests.deploy.dockerfile import DOCKERFILE, stages
from training.export.job.build_plan import TRTEXEC_FOLDER

GPU = ("plan-requests", "plans", "triton-gpu")
ONE_GPU = {"resources": {"reservations": {"devices": [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]}}}


def test_nothing_starts_without_the_profile() -> None:
    assert {name for name, service in services().items() if service.get("profiles") == ["gpu"]} == set(GPU)


@pytest.mark.parametrize("image", ["", "registry.example/triton:24.10"])
def test_plans_are_built_in_the_image_that_serves(image: str) -> None:
    containers = compose_with({"TRITON_GPU_IMAGE": image})["services"]
    assert containers["plans"]["image"] == containers["triton-gpu"]["image"] != containers["triton"]["image"]
    assert containers["plans"]["deploy"] == containers["triton-gpu"]["deploy"] == ONE_GPU
    assert "deploy" not in containers["triton"]


def test_one_step_waits_for_the_other() -> None:
    done = {"condition": "service_completed_successfully"}
    assert services()["plan-requests"]["depends_on"] == {"training-image": done}
    assert services()["plans"]["depends_on"] == {"plan-requests": done}
    assert services()["triton-gpu"]["depends_on"] == {"plans": done}
    assert services()["plans"]["restart"] == services()["plan-requests"]["restart"] == "no"


def test_each_step_reads_the_output_of_the_previous_one() -> None:
    """As the same user: a volume belongs to the user of the image that mounts it first."""
    assert {services()[name]["user"] for name in GPU} == {"1000:1000"}
    (request,) = [word for word in services()["plan-requests"]["command"] if word.startswith("/")]
    assert f"plans:{request}" in services()["plan-requests"]["volumes"]
    assert f"install -d -o 1000 -g 1000 {request}" in DOCKERFILE.read_text()
    python, job, folder = services()["plans"]["command"]
    assert (python, f"plans:{folder}" in services()["plans"]["volumes"]) == ("python3", True)
    (source,) = [source for source, target in stages()["triton"].copies.items() if job.startswith(f"{target}/")]
    assert (CLONE / source / Path(job).name).is_file()
    assert "plans:/models:ro" in services()["triton-gpu"]["volumes"]


def test_it_serves_as_triton_does() -> None:
    cpu, gpu = services()["triton"], services()["triton-gpu"]
    assert gpu["networks"] == {"default": {"aliases": ["triton"]}}
    assert {key for key in cpu if cpu[key] != gpu.get(key)} == {"image", "build", "volumes", "depends_on", "mem_limit"}


def test_its_image_is_nvidias() -> None:
    """The server of PyPI has no TensorRT backend; trtexec is in this folder of NVIDIA's images."""
    assert target_of("triton-gpu") == "triton"
    assert re.fullmatch(
        r"nvcr\.io/nvidia/tritonserver:\d\d\.\d\d-py3(@sha256:[0-9a-f]{64})?",
        services()["plans"]["build"]["args"]["TRITON_BASE_IMAGE"],
    )
    assert str(TRTEXEC_FOLDER) == "/usr/src/tensorrt/bin"
