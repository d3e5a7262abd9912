"""The job as a separate process that is killed, or whose files are damaged, at a step.

The processes are forked from one that has only imported the modules, because importing torch takes longer than these
refreshes.
"""

import multiprocessing
import os
import signal
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from typer.testing import CliRunner

from services.cli.train.refresh import app
from tests.training.refresh.tiny import allow_tiny
from training.refresh import run
from training.refresh.journal import Record, RefreshJournal

SECONDS: Final = 800


def context() -> ForkServerContext:
    """Return the server that forks the processes."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload([__name__])
    return server


def refresh(
    server: ForkServerContext,
    environment: Mapping[str, str],
    arguments: list[str],
    log: Path,
    *,
    kill_at: str = "",
    harm: str = "",
) -> int:
    """Run `xray train refresh` and return its exit code, -9 where it killed itself.

    It kills itself immediately before it writes the record of step `kill_at`: the step's effects exist, its record does
    not. `harm` is a file of the installed version of cae that is damaged before Triton loads it.
    """
    process = server.Process(target=_main, args=(dict(environment), arguments, log, kill_at, harm))
    process.start()
    process.join(SECONDS)
    if process.is_alive():
        process.kill()
        process.join()
        raise AssertionError(f"the refresh did not end in {SECONDS} s: {log.read_text()}")
    assert process.exitcode is not None
    return process.exitcode


def _main(environment: dict[str, str], arguments: list[str], log: Path, kill_at: str, harm: str) -> None:
    os.environ.update(environment)
    torch.set_num_threads(1)  # more threads wait for each other while another process uses a processor
    allow_tiny()
    _killed_at(kill_at)
    if harm:
        _harmed(Path(environment["XRAY_MODEL_REPOSITORY"]), harm)
    with log.open("a") as file, redirect_stdout(file), redirect_stderr(file):
        answer = CliRunner().invoke(app, arguments)
        file.write(answer.output)
        if answer.exception is not None and not isinstance(answer.exception, SystemExit):
            file.write(repr(answer.exception))
    os._exit(answer.exit_code)


def _killed_at(step: str) -> None:
    usual = RefreshJournal.write

    def write(self: RefreshJournal, name: str, record: Mapping[str, Any], files: tuple[Path, ...] = ()) -> Record:
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return usual(self, name, record, files)

    pytest.MonkeyPatch().setattr(RefreshJournal, "write", write)


def _harmed(repository: Path, name: str) -> None:
    usual = vars(run)["admit_all"]

    def admit_all(settings: Any, client: Any, where: Any, versions: Mapping[str, int]) -> None:
        file = repository / "cae" / str(versions["cae"]) / name
        file.write_bytes(file.read_bytes()[:-1000])
        usual(settings, client, where, versions)

    pytest.MonkeyPatch().setattr(run, "admit_all", admit_all)
