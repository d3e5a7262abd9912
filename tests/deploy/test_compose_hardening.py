"""The privileges of the containers, and the ports that can be reached from outside."""

import re

import pytest

from services.common.settings import TRITON_CONTROL_HEADER
from tests.deploy.compose_file import CLONE, builders, compose_with, services, target_of
from tests.deploy.dockerfile import stages

ALL = sorted(services())


@pytest.mark.parametrize("name", ALL)
def test_containers_have_no_privileges(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc"} & set(service)


def test_only_holders_of_the_key_control_models() -> None:
    """Loading a model runs code. Intake, which reads hostile files, is not one of them."""
    compose = compose_with({"TRITON_CONTROL_KEY": "another-key"})["services"]
    for server in ("triton", "triton-gpu"):
        command = compose[server]["command"]
        assert "--http-address=127.0.0.1" in command
        (restricted,) = [option for option in command if option.startswith("--grpc-restricted-protocol=")]
        protocols, _, key = restricted.removeprefix("--grpc-restricted-protocol=").partition(":")
        assert {"model-repository", "shared-memory"} <= set(protocols.split(","))
        assert key == f"{TRITON_CONTROL_HEADER}=another-key"
    holders = {name for name, one in compose.items() if "XRAY_TRITON_CONTROL_KEY" in (one.get("environment") or {})}
    assert "classifier" in holders
    assert not holders & {"intake", "assembler", "fuser", "sink", "monitor"}


@pytest.mark.parametrize("name", ALL)
def test_nothing_runs_as_root(name: str) -> None:
    service = services()[name]
    user = service.get("user") or stages()[target_of(name)].user
    group = r"\d+" if name == "grafana" else r"[1-9]\d*"  # Grafana's image gives its files to the group 0
    assert re.fullmatch(rf"[1-9]\d*:{group}", user), f"{name} runs as {user!r}"


@pytest.mark.parametrize("name", ALL)
def test_containers_are_bounded(name: str) -> None:
    service = services()[name]
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    assert service["pids_limit"] > 0
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert service["restart"] in {"unless-stopped", "no"}
    assert all("size=" in mount for mount in service.get("tmpfs", []))


@pytest.mark.parametrize("name", ALL)
def test_containers_are_labelled_by_kind(name: str) -> None:
    assert services()[name]["labels"]["org.mouse-xray.kind"] in {"server", "service", "setup", "job", "demo"}


def test_ports_are_published_on_this_machine_only() -> None:
    together = {name: service for name, service in services().items() if name != "triton-gpu"}  # in triton's place
    published = [port for service in together.values() for port in service.get("ports", [])]
    assert published
    assert services()["triton-gpu"]["ports"] == services()["triton"]["ports"]
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in published)
    assert len({port.split(":")[1] for port in published}) == len(published)


def test_the_published_address_is_one_variable() -> None:
    elsewhere = compose_with({"PUBLISH_ADDRESS": "192.0.2.7"})["services"]
    published = [port for service in elsewhere.values() for port in service.get("ports", [])]
    assert all(port.startswith("192.0.2.7:") for port in published)


def test_configuration_is_mounted_read_only() -> None:
    for service in services().values():
        for mount in service.get("volumes", []):
            assert mount.endswith((":ro", ":ro,z")) or not mount.startswith("."), mount


def test_image_names_contain_a_version() -> None:
    """Third-party images are pinned; ours are built from this clone."""
    for service in services().values():
        assert bool(builders(service["image"])) == service["image"].endswith(":latest")
        assert ":" in service["image"]
    assert (CLONE / services()["guard"]["build"]["dockerfile"]).is_file()
