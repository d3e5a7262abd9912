"""What `xray doctor` finds, on machines with something missing."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from services.operations.doctor import (
    DEFAULT_PASSWORDS,
    Machine,
    check_compose,
    check_passwords,
    check_stack,
    is_loopback,
    this_machine,
)

GIB = 1024**3
GOOD = Machine(
    architecture="x86_64",
    memory_bytes=16 * GIB,
    free_bytes=100 * GIB,
    address_space_bytes=None,
    is_root=False,
    can_leave_root=False,
    java=21,
    has_packaged_java=False,
    engine=(28, 5, 1),
    compose=(2, 40, 3),
    listen_error=lambda _address, _port: None,
)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    (tmp_path / "model_repository" / "cae").mkdir(parents=True)
    (tmp_path / "model_repository" / "cae" / "config.pbtxt").touch(mode=0o644)
    return tmp_path


def test_nothing_is_missing(clone: Path) -> None:
    assert check_stack(GOOD) == []
    assert check_compose(GOOD, {}, clone) == []


@pytest.mark.parametrize(
    ("change", "subject", "fails"),
    [
        ({"architecture": "riscv64"}, "architecture", True),
        ({"memory_bytes": 2 * GIB}, "memory", False),
        ({"free_bytes": GIB}, "disk", True),
        ({"address_space_bytes": 4 * GIB}, "address space", True),
    ],
)
def test_what_both_need(clone: Path, change: dict[str, object], subject: str, fails: bool) -> None:
    machine = replace(GOOD, **change)  # type: ignore[arg-type]
    for found in (check_stack(machine), check_compose(machine, {}, clone)):
        assert [(one.subject, one.fails) for one in found] == [(subject, fails)]
        assert all(one.remedy for one in found)


def test_root_needs_another_user_for_postgresql() -> None:
    assert [one.subject for one in check_stack(replace(GOOD, is_root=True))] == ["user"]
    assert check_stack(replace(GOOD, is_root=True, can_leave_root=True)) == []


@pytest.mark.parametrize(
    ("java", "packaged", "missing"), [(None, False, 1), (11, False, 1), (17, False, 0), (None, True, 0)]
)
def test_the_stack_needs_java(java: int | None, packaged: bool, missing: int) -> None:
    assert len(check_stack(replace(GOOD, java=java, has_packaged_java=packaged))) == missing


@pytest.mark.parametrize("compose", [None, (1, 29, 2), (2, 23, 3)])
def test_the_containers_need_a_recent_compose(clone: Path, compose: tuple[int, ...] | None) -> None:
    (found,) = check_compose(replace(GOOD, compose=compose), {}, clone)
    assert (found.subject, found.fails) == ("Docker Compose", True)
    assert "2.24 or later" in found.remedy


def test_the_containers_need_a_running_engine(clone: Path) -> None:
    (found,) = check_compose(replace(GOOD, engine=None), {}, clone)
    assert found.subject == "Docker Engine"


def test_a_port_that_is_taken_is_named_with_its_variable(clone: Path) -> None:
    """As it is set, not the default."""
    machine = replace(GOOD, listen_error=lambda _address, port: "Address already in use" if port == 3001 else None)
    assert check_compose(machine, {}, clone) == []
    (found,) = check_compose(machine, {"GRAFANA_PORT": "3001"}, clone)
    assert "port 3001 of 127.0.0.1: Address already in use" in found.message
    assert "GRAFANA_PORT" in found.remedy
    (wrong,) = check_compose(machine, {"S3_PORT": "high"}, clone)
    assert "S3_PORT=high is not a port" in wrong.message


def test_models_that_a_umask_closed_are_found(clone: Path) -> None:
    file = clone / "model_repository" / "cae" / "config.pbtxt"
    file.chmod(0o600)
    (found,) = check_compose(GOOD, {}, clone)
    assert str(file) in found.message
    assert "chmod -R a+rX" in found.remedy
    (missing,) = check_compose(GOOD, {"MODEL_REPOSITORY": "elsewhere"}, clone)
    assert "does not exist" in missing.message


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.7", "::", "[::]", "xray.example.org"])
def test_default_passwords_are_refused_where_others_reach_them(address: str, clone: Path) -> None:
    found = check_passwords({"PUBLISH_ADDRESS": address})
    assert [one.message.split()[0] for one in found] == list(DEFAULT_PASSWORDS)
    assert all(one.fails for one in found)
    assert check_compose(GOOD, {"PUBLISH_ADDRESS": address}, clone) == found
    own = dict.fromkeys(DEFAULT_PASSWORDS, "s3cret")
    assert check_passwords({"PUBLISH_ADDRESS": address} | own) == []
    assert len(check_passwords({"PUBLISH_ADDRESS": address} | own | {"GRAFANA_PASSWORD": ""})) == 1


@pytest.mark.parametrize("address", ["", "127.0.0.1", "127.8.0.1", "::1", "[::1]", "localhost"])
def test_default_passwords_are_allowed_on_this_machine(address: str) -> None:
    assert check_passwords({"PUBLISH_ADDRESS": address}) == []
    assert not address or is_loopback(address)


def test_this_machine_is_read(tmp_path: Path) -> None:
    machine = this_machine(tmp_path)
    assert machine.memory_bytes > GIB / 4
    assert machine.free_bytes > 0
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert machine.listen_error("127.0.0.1", port) == "Address already in use"
    assert machine.listen_error("127.0.0.1", port) is None
    assert machine.listen_error("192.0.2.7", port) == "Cannot assign requested address"
