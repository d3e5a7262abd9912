"""What Compose builds, pulls and mounts on a machine that has nothing yet."""

import re
from collections.abc import Iterator

import pytest

from services.operations.doctor import DEFAULT_PASSWORDS, PORTS
from tests.deploy.compose_file import CLONE, builders, explained_variables, services
from tests.deploy.dockerfile import stages

OWN = sorted({service["image"] for service in services().values() if service["image"].endswith(":latest")})
THIRD_PARTY = {"kafka", "seaweedfs", "postgres", "kafka-exporter", "postgres-exporter"}


def waited_for(name: str) -> Iterator[str]:
    """The services that Compose starts together with `name`, and so builds first."""
    yield name
    for other in services()[name].get("depends_on", {}):
        yield from waited_for(other)


@pytest.mark.parametrize("image", OWN)
def test_one_service_builds_each_tag(image: str) -> None:
    """Several builds of one tag run in parallel, and their exports fail with "already exists"."""
    assert len(builders(image)) == 1, builders(image)


@pytest.mark.parametrize("name", services())
def test_an_image_that_is_named_only_is_built_in_the_same_start(name: str) -> None:
    """`docker compose up NAME` builds the images of NAME and of what it waits for, and no others."""
    image = services()[name]["image"]
    if name not in THIRD_PARTY | {"models"}:  # `models` runs with --no-deps next to a system that is up
        assert set(waited_for(name)) & set(builders(image)), name


@pytest.mark.parametrize("name", services())
def test_no_registry_is_asked_for_an_image_that_exists_only_here(name: str) -> None:
    assert services()[name].get("pull_policy") == (None if name in THIRD_PARTY else "never")


def test_the_default_server_is_small_and_nvidias_image_is_for_the_profile_only() -> None:
    in_profile = {name for name in services() if "profiles" in services()[name]}
    bases = {name: service["build"]["target"] for name, service in services().items() if "build" in service}
    assert bases["triton"] == "triton-wheel"
    assert {name for name, target in bases.items() if target == "triton"} <= in_profile


def test_no_image_is_built_for_one_platform_only() -> None:
    """Packages are those of the machine on which the image is built."""
    for stage in stages().values():
        assert not any("x86_64-manylinux" in run or "aarch64-manylinux" in run for run in stage.runs)
    assert not any("platform" in service for service in services().values())


@pytest.mark.parametrize("name", services())
def test_only_the_folder_of_the_models_is_mounted_from_this_machine(name: str) -> None:
    """SELinux and a umask close other files to the users of the containers. `z` opens this one for SELinux."""
    mounts = [mount for mount in services()[name].get("volumes", []) if mount.startswith((".", "/"))]
    assert all(re.fullmatch(r"\./model_repository:\S+:ro,z", mount) for mount in mounts)
    assert "configs" not in services()[name], "Compose mounts files, and refuses inline content in read-only services"


def test_every_user_can_read_the_configuration_in_the_images() -> None:
    text = (CLONE / "deploy" / "containers" / "Dockerfile").read_text()
    copies = re.findall(r"^COPY (.*deploy/(?:prometheus|alertmanager|grafana).*)$", text, re.MULTILINE)
    assert len(copies) == 5
    assert all(copy.startswith("--chmod=0555 ") for copy in copies)


def test_nothing_starts_before_the_passwords_are_checked() -> None:
    assert services()["guard"]["command"] == ["doctor", "passwords"]
    assert services()["guard"].get("depends_on") is None
    done = {"condition": "service_completed_successfully"}
    for name, service in services().items():
        if service.get("ports"):
            assert "guard" in set(waited_for(name)), name
    assert services()["kafka"]["depends_on"] == {"guard": done}


def test_the_guard_sees_the_address_and_every_default_password() -> None:
    environment = services()["guard"]["environment"]
    assert environment == {"PUBLISH_ADDRESS": "127.0.0.1"} | DEFAULT_PASSWORDS
    defaults = {name: value for name, (value, _) in explained_variables().items() if value.startswith("trial-only-")}
    assert defaults == DEFAULT_PASSWORDS


def test_the_doctor_knows_the_published_ports() -> None:
    ports = {name: int(value) for name, (value, _) in explained_variables().items() if name.endswith("_PORT")}
    assert ports == PORTS
