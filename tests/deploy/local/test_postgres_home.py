"""Where PostgreSQL is kept when we are root and other users cannot enter the stack's folder."""

import os
import stat
from pathlib import Path

import psutil
import pytest

from deploy.local.errors import StackError
from deploy.local.folder import StackFolder
from deploy.local.servers import postgres
from deploy.local.servers.postgres import Postgres
from deploy.local.stack import Stack

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="PostgreSQL changes its user only if we are root")


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StackFolder:
    """A stack below a folder with mode 0700."""
    monkeypatch.setattr(postgres, "PUBLIC_HOMES", tmp_path / "public")
    (tmp_path / "closed").mkdir(mode=0o700)
    folder = StackFolder(tmp_path / "closed" / "stack")
    folder.root.mkdir()
    return folder


@as_root
def test_a_closed_stack_gets_a_folder_elsewhere_and_a_link_to_it(closed: StackFolder) -> None:
    server = Postgres(closed)
    server._make_home()
    home = server.home
    assert home == closed.root.joinpath("postgres").readlink() == postgres.public_home(closed)
    assert stat.S_IMODE(home.stat().st_mode) == 0o711
    (home / "data").touch()
    server._make_home()
    assert (home / "data").exists()
    server.clear()
    assert not home.exists()


@as_root
def test_folders_of_deleted_stacks_are_removed(closed: StackFolder) -> None:
    server, other = Postgres(closed), Postgres(StackFolder(closed.root.with_name("other")))
    for each in (server, other):
        each.folder.root.mkdir(exist_ok=True)
        each._make_home()
    kept, deleted = server.home, other.home
    other.folder.delete([other.name])
    third = Postgres(StackFolder(closed.root.with_name("third")))
    third.folder.root.mkdir()
    third._make_home()
    assert kept.exists()
    assert not deleted.exists()


@as_root
def test_a_folder_that_cannot_be_created_is_reported(closed: StackFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    (closed.root / "file").touch()
    monkeypatch.setattr(postgres, "PUBLIC_HOMES", closed.root / "file")
    with pytest.raises(StackError, match="`nobody` cannot enter") as caught:
        Postgres(closed)._make_home()
    assert "XRAY_STACK_FOLDER" in caught.value.remedy


def test_clear_deletes_everything_that_the_stack_wrote_and_nothing_else(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "stack")
    stack.folder.create()
    (stack.folder.home("kafka") / "data").mkdir(parents=True)
    stack.folder.log("kafka").touch()
    stack.folder.lock("kafka").touch()
    notes = stack.folder.root / "notes.txt"
    notes.touch()
    stack.clear()
    assert list(stack.folder.root.iterdir()) == [notes]
    notes.unlink()
    stack.clear()
    assert not stack.folder.root.exists()


@as_root
@pytest.mark.integration
def test_it_works_although_nobody_can_enter_the_stack_or_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "is_open_to_others", lambda _: False)
    stack = Stack(tmp_path / "stack", tied=True)
    stack.up(["postgres"])
    home = stack.servers["postgres"].home
    running = psutil.Process(stack.servers["postgres"].process.pid())
    assert running.username() == "nobody"
    assert running.cmdline()[0] == str(next(home.glob("programs-*/*/pginstall/bin/postgres")))
    stack.down()
    stack.clear()
    assert not home.exists()
