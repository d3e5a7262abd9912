"""The commands of `xray train` load their libraries when they run, and name what is missing."""

import inspect
import pickle
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from services.cli import main
from services.cli.train import refresh
from services.cli.train.progress import ConsoleReporter, reporting
from training.refresh.journal import GateRules

_MODULES = ("models", "experiments", "refresh", "labels", "collect", "evaluate", "foreign")
_HEAVY = ("torch", "pytorch_lightning", "sklearn", "timm", "matplotlib", "numpy", "onnx")
_IMPORT = f"""
import importlib, sys
for name in {_MODULES}:
    importlib.import_module(f"services.cli.train.{{name}}")
sys.stdout.write(" ".join(name for name in {_HEAVY} if name in sys.modules))
"""


def test_the_help_of_the_commands_needs_no_library_of_the_training_extra() -> None:
    done = subprocess.run([sys.executable, "-c", _IMPORT], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_refresh_shows_the_limits_of_the_gate_as_its_defaults() -> None:
    defaults = {name: one.default for name, one in inspect.signature(refresh.command).parameters.items()}
    rules = GateRules().model_dump()
    assert {name: defaults[name] for name in rules} == rules


def test_a_missing_library_is_left_to_the_command_group_which_names_what_installs_it() -> None:
    with pytest.raises(ModuleNotFoundError), reporting("stopped"):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")


def test_ctrl_c_is_one_line_and_its_own_exit_code() -> None:
    app = typer.Typer()

    @app.command()
    def command() -> None:
        with reporting("stopped; the same command continues"):
            raise KeyboardInterrupt

    answer = CliRunner().invoke(app, [])
    assert (answer.exit_code, "stopped; the same command continues" in answer.output) == (130, True)


def test_a_reporter_can_be_sent_to_another_process(capsys: pytest.CaptureFixture[str]) -> None:
    reporter = pickle.loads(pickle.dumps(ConsoleReporter()))
    reporter.message("epoch [1]")
    reporter.progress("steps", 1, 2)
    assert capsys.readouterr().err == "epoch [1]\n"


def test_a_wrong_setting_exits_with_the_code_for_misconfiguration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAY_PARTITIONS", "abc")
    monkeypatch.setattr("sys.argv", ["xray", "train", "refresh"])
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert caught.value.code == main.EXIT_MISCONFIGURED
