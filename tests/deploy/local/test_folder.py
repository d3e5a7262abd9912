"""The state in a stack's folder: ports, secrets, and the environment for the services."""

import shutil
import socket
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from deploy.local.errors import StackError
from deploy.local.folder import StackFolder
from deploy.local.stack import Stack
from services.common.environment import read_environment


@pytest.fixture
def folder(tmp_path: Path) -> StackFolder:
    made = StackFolder(tmp_path / "stack")
    made.create()
    return made


def test_secrets_are_random_kept_and_private(folder: StackFolder, tmp_path: Path) -> None:
    other = StackFolder(tmp_path / "other")
    other.create()
    first = folder.secret("postgres_password")
    folder.create()
    assert folder.secret("postgres_password") == first
    assert len(first) == 40
    assert first != other.secret("postgres_password")
    assert stat.S_IMODE((folder.root / "state.json").stat().st_mode) == 0o600


def test_ports_stay_the_same_between_starts_and_differ_between_servers(folder: StackFolder) -> None:
    kafka = folder.choose_ports("kafka", ("broker", "controller"))
    postgres = folder.choose_ports("postgres", ("postgres",))
    assert StackFolder(folder.root).choose_ports("kafka", ("broker", "controller"), again=True) == kafka
    assert len({*kafka.values(), *postgres.values()}) == 3


def test_only_the_port_that_another_process_took_is_replaced(folder: StackFolder) -> None:
    before = folder.choose_ports("kafka", ("broker", "controller"))
    with socket.create_server(("127.0.0.1", before["broker"])):
        assert folder.choose_ports("kafka", ("broker", "controller")) == before
        after = folder.choose_ports("kafka", ("broker", "controller"), again=True)
    assert after["broker"] != before["broker"]
    assert after["controller"] == before["controller"]
    assert folder.ports("kafka") == after


def test_a_full_disk_is_refused_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=300 * 1024**2))
    with pytest.raises(StackError, match=r"only 300 MiB are free on the disk of .* 1024 are needed") as caught:
        StackFolder(tmp_path / "stack").create()
    assert "XRAY_STACK_FOLDER" in caught.value.remedy


def test_a_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StackError, match=r"cannot write .*/file"):
        StackFolder(tmp_path / "file" / "stack").create()


def test_environment_written_is_the_environment_loaded_and_private(folder: StackFolder) -> None:
    values = {"XRAY_KAFKA_BOOTSTRAP": "127.0.0.1:1", "XRAY_POSTGRES_DSN": "postgresql://xray:a=b@127.0.0.1:2/xray"}
    folder.write_environment(values)
    assert read_environment(folder.root) == values
    assert stat.S_IMODE(folder.environment_file.stat().st_mode) == 0o600


def test_without_a_stack_the_error_explains_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"there is no stack in .*\nremedy: run `xray stack up` first"):
        Stack(tmp_path).environment()
    Stack(tmp_path / "never made").down()
    assert not (tmp_path / "never made").exists()


def test_an_unknown_server_is_refused_with_the_available_names(tmp_path: Path) -> None:
    with pytest.raises(
        StackError, match="there is no such server\nremedy: choose one of kafka, seaweedfs, triton, postgres"
    ):
        Stack(tmp_path).up(["oracle"])
