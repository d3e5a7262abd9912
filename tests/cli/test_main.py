"""The entry point: list of commands, exit codes, one line for every known error."""

import importlib
import os
import re
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest
import typer
from typer.testing import CliRunner

from services import __version__
from services.cli import groups, main
from services.common.errors import Fatal, PipelineError, Rejected, Retriable


def test_help_names_every_command_without_importing_any() -> None:
    script = "import sys; sys.argv = ['xray', '--help']; from services.cli.main import main\ntry: main()\n"
    script += "finally: print(*[m for m in ('kafka', 'boto3', 'numpy', 'psycopg', 'pydicom') if m in sys.modules])"
    started = time.monotonic()
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert time.monotonic() - started < 5
    assert answer.stdout.splitlines()[-1] == ""
    for name in groups.COMMANDS:
        assert f" {name} " in answer.stdout


@pytest.mark.parametrize("name", ["labels", "collect", "models", "evaluate"])
def test_train_has_its_own_commands(name: str) -> None:
    assert name in CliRunner().invoke(main.app, ["train", "--help"]).stdout
    answer = CliRunner().invoke(main.app, ["train", name, "--help"])
    assert answer.exit_code == 0
    assert f" train {name} " in answer.stdout


def test_the_version_is_known_without_an_installed_package(monkeypatch: pytest.MonkeyPatch) -> None:
    assert metadata.version("mouse-xray-phenotyping") == __version__
    monkeypatch.setattr(metadata, "version", lambda _: pytest.fail("a container image holds no installed package"))
    assert CliRunner().invoke(main.app, ["--version"]).stdout.strip() == __version__


def test_an_unknown_command_is_wrong_usage() -> None:
    answer = CliRunner().invoke(main.app, ["psh"])
    assert answer.exit_code == 2
    assert "push" in answer.stderr


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (Fatal("bucket 'x' is missing; run `xray init`"), 2, "xray: bucket 'x' is missing; run `xray init`"),
        (Retriable("no Kafka broker at a:1"), 3, "xray: server unreachable: no Kafka broker at a:1"),
        (Rejected("object_missing", "no such object"), 1, "xray: object_missing: no such object"),
        (
            KeyError("x"),
            1,
            "xray: internal error, KeyError('x'); please report it with the output of XRAY_DEBUG=1 xray ...",
        ),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_become_exit_codes_and_one_line(
    error: BaseException, code: int, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("XRAY_DEBUG", raising=False)
    monkeypatch.setattr(main, "app", _raising(error))
    with pytest.raises(SystemExit) as exit_:
        main.main()
    assert exit_.value.code == code
    assert capsys.readouterr().err.strip() == line


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAY_DEBUG", "1")
    monkeypatch.setattr(main, "app", _raising(Fatal("x")))
    with pytest.raises(PipelineError):
        main.main()


def test_a_command_without_its_library_says_what_to_install() -> None:
    with pytest.raises(Fatal, match=r"no_such_library.*make setup"):
        groups.load("xray", "stack", groups.LazyCommand("no_such_library:app", "", ""), "serving")


@pytest.mark.parametrize("clone", [True, False])
@pytest.mark.parametrize(
    ("group", "extra", "make"), [("stack", "serving", "make setup"), ("train", "training", "make setup-dev")]
)
def test_a_library_that_is_missing_when_the_command_runs_is_named(
    group: str, extra: str, make: str, *, clone: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not clone:
        monkeypatch.setattr("services.common.environment.CLONE", tmp_path)
    install = make if clone else re.escape(f"pip install 'mouse-xray-phenotyping[{extra}]'")

    def needy() -> None:
        importlib.import_module("no_such_library")

    module = ModuleType("services.cli.needy")
    vars(module)["needy"] = needy
    monkeypatch.setitem(sys.modules, "services.cli.needy", module)
    command = groups.load(f"xray {group}", "needy", groups.LazyCommand("services.cli.needy:needy", "", ""), extra)
    with pytest.raises(Fatal, match=rf"`xray {group} needy` needs no_such_library.*run `{install}`"):
        command.main([], standalone_mode=False)


def test_completion_knows_commands_and_options() -> None:
    def completed(line: str) -> list[str]:
        environment = os.environ | {
            "_XRAY_COMPLETE": "complete_bash",
            "COMP_WORDS": line,
            "COMP_CWORD": str(len(line.split(" ")) - 1),
        }
        command = [sys.executable, "-c", "from services.cli.main import main; main()"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()

    assert completed("xray sta") == ["status", "statistics", "stack"]
    assert "--older-than" in completed("xray specimens --")
    assert "--install-completion" in CliRunner().invoke(main.app, ["--help"]).stdout


def test_settings_come_from_the_stack_unless_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from services.common.environment import adopt_local_stack

    (tmp_path / "environment").write_text("XRAY_KAFKA_BOOTSTRAP=127.0.0.1:1\nXRAY_S3_ACCESS_KEY=a=b\n")
    monkeypatch.setenv("XRAY_STACK_FOLDER", str(tmp_path))
    monkeypatch.setenv("XRAY_KAFKA_BOOTSTRAP", "mine:2")
    monkeypatch.setenv("XRAY_S3_ACCESS_KEY", "gone with the test")
    monkeypatch.delenv("XRAY_S3_ACCESS_KEY")
    adopt_local_stack()
    import os

    assert os.environ["XRAY_KAFKA_BOOTSTRAP"] == "mine:2"
    assert os.environ["XRAY_S3_ACCESS_KEY"] == "a=b"


def _raising(error: BaseException) -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise error

    def run(**_: object) -> None:
        app([])

    return run  # type: ignore[return-value]
