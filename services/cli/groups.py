"""Command groups that import a command only when it is used, and the plain layout of every help page.

`xray --help` stays fast, and a command whose libraries are not installed (such as `stack`) does not affect the others.

A module that defines a command imports only typer, the standard library, light modules of `services.cli` and
`services.common`, and training's tables of choices. It imports everything else inside the command function, so that
`--help` loads no Kafka, S3, database or training library.
"""

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from services.common.environment import install_command
from services.common.errors import Fatal

_OURS: Final = frozenset({"services", "training", "deploy"})
_DATA: Final = "Images and calls"
_OPERATE: Final = "Operate"
_TRAIN: Final = "Train"
_TRY: Final = "Try and measure"
_WITH_STACK: Final = "serving,stack"


@dataclass(frozen=True)
class LazyCommand:
    """Where a command is defined (`module:name` of a Typer app or of one function), and its line in the list.

    `extra` is the extra of pyproject.toml with the libraries it needs. None takes the one of the group.
    """

    target: str
    help: str
    panel: str
    extra: str | None = None


COMMANDS: Final = {
    "push": LazyCommand("services.cli.push.command:app", "Upload image files and announce them on xray.images.", _DATA),
    "backfill": LazyCommand(
        "services.cli.backfill.command:app", "Import IMPC's published X-rays and observations.", _DATA
    ),
    "calls": LazyCommand("services.cli.calls.command:app", "List, follow, show and export phenotype calls.", _DATA),
    "specimens": LazyCommand("services.cli.specimens:app", "Show one specimen's state; list incomplete ones.", _DATA),
    "withdraw": LazyCommand(
        "services.cli.withdraw:app", "Take an image, or all of a specimen, out of what is called.", _DATA
    ),
    "erase": LazyCommand("services.cli.erase:app", "Remove the bytes of an image, or of all of a specimen.", _DATA),
    "review": LazyCommand("services.cli.review:app", "Correct or confirm a call, label by label.", _DATA),
    "rejections": LazyCommand("services.cli.rejections:app", "List, show and replay rejected records.", _DATA),
    "init": LazyCommand("services.cli.init:app", "Create topics, bucket, tables and first activation.", _OPERATE),
    "doctor": LazyCommand("services.cli.doctor:app", "Show what this machine lacks before anything starts.", _OPERATE),
    "access": LazyCommand("services.cli.access:app", "Grant the services and others their rights on Kafka.", _OPERATE),
    "check": LazyCommand("services.cli.check:app", "Prove that a server is fit for this system.", _OPERATE),
    "run": LazyCommand("services.cli.run:run", "Run one service, or all, in the foreground.", _OPERATE),
    "status": LazyCommand("services.cli.status:app", "Show the health of servers, topics and services.", _OPERATE),
    "statistics": LazyCommand("services.cli.statistics:app", "Show each centre's windows and drift.", _OPERATE),
    "reconcile": LazyCommand("services.cli.reconcile:app", "Account for every announced image.", _OPERATE),
    "trace": LazyCommand("services.cli.trace:app", "Follow one specimen through all services.", _OPERATE),
    "models": LazyCommand("services.cli.models.command:app", "List and change model versions.", _OPERATE),
    "reprocess": LazyCommand("services.cli.reprocess:app", "Re-run calls for past specimens.", _OPERATE),
    "stack": LazyCommand("services.cli.stack:app", "Run the servers as local processes.", _OPERATE, _WITH_STACK),
    "train": LazyCommand(
        "services.cli.train.group:app", "Build label sets; train and evaluate models.", _TRAIN, "training"
    ),
    "demo": LazyCommand(
        "services.cli.demo.command:app", "Send simulated mice through the whole system.", _TRY, _WITH_STACK
    ),
    "bench": LazyCommand("services.cli.bench:app", "Measure the pipeline against a bare loop.", _TRY, _WITH_STACK),
    "soak": LazyCommand("services.cli.soak:app", "Watch memory and disk under many specimens.", _TRY, _WITH_STACK),
    "chaos": LazyCommand("services.cli.chaos:app", "Disturb the system and compare the ledger.", _TRY, _WITH_STACK),
}


class LazyGroup(TyperGroup):
    """Lists its commands without importing them."""

    commands_to_load: ClassVar[Mapping[str, LazyCommand]] = COMMANDS
    extra: str = "serving"

    def __init__(self, **attributes: Any) -> None:
        """Put a stand-in for every command in the list."""
        super().__init__(**attributes)
        self.rich_markup_mode = None
        for name, command in self.commands_to_load.items():
            self.add_command(TyperCommand(name, help=command.help, rich_help_panel=command.panel))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command among the stand-ins, then load the real one."""
        name, stand_in, rest = super().resolve_command(ctx, args)
        if stand_in is None or name is None:
            return name, None, rest
        return name, load(ctx.command_path, name, self.commands_to_load[name], self.extra), rest

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands panel by panel, each with its whole line of help."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.commands_to_load[name]
            panels.setdefault(command.panel, []).append((name, command.help))
        for panel, rows in panels.items():
            with formatter.section(panel):
                formatter.write_dl(rows)


class _DefaultContext(typer.Context):
    """Shows the usage of a default command as that of its group."""

    @property
    def command_path(self) -> str:
        return "" if self.parent is None else self.parent.command_path


class DefaultCommandGroup(TyperGroup):
    """Takes `xray GROUP ...` for `xray GROUP DEFAULT ...` unless another command is named."""

    default_command: ClassVar[str]

    def __init__(self, **attributes: Any) -> None:
        """Name the default command like the group in its usage line."""
        super().__init__(**attributes)
        self.commands[self.default_command].context_class = _DefaultContext

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command before arguments that name none."""
        named = bool(args) and args[0] in self.commands
        return super().parse_args(ctx, args if named else [self.default_command, *args])


def load(path: str, name: str, command: LazyCommand, group_extra: str) -> Any:
    """Import one command of the group at `path`.

    A library that is missing, now or when the command runs, raises Fatal with the command that installs it.
    """
    path, extra = f"{path} {name}", command.extra or group_extra
    module, _, attribute = command.target.partition(":")
    try:
        target = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise _not_installed(path, extra, error) from error
    if not isinstance(target, typer.Typer):
        function, target = target, typer.Typer(add_completion=False)
        target.command(name)(function)
    loaded: Any = get_command(target)
    loaded.name = name
    if isinstance(loaded, LazyGroup):
        loaded.extra = extra
    else:
        loaded.invoke = _explained(loaded.invoke, path, extra)
    _lay_out(loaded)
    return loaded


def _explained(invoke: Callable[[Any], Any], path: str, extra: str) -> Callable[[Any], Any]:
    def invoked(ctx: Any) -> Any:
        try:
            return invoke(ctx)
        except ModuleNotFoundError as error:
            raise _not_installed(path, extra, error) from error

    return invoked


def _not_installed(path: str, extra: str, error: ModuleNotFoundError) -> Exception:
    if (error.name or "").partition(".")[0] in _OURS:
        return error
    return Fatal(f"`{path}` needs {error.name}, which is not installed; run `{install_command(extra)}`")


def _lay_out(command: Any) -> None:
    """Have a command and its subcommands print plain help pages; indented paragraphs keep their lines."""
    command.rich_markup_mode = None
    if command.help:
        command.help = keep_indented(command.help)
    for one in getattr(command, "commands", {}).values():
        _lay_out(one)


def keep_indented(text: str) -> str:
    r"""Mark paragraphs of a help text that must not be wrapped, with `\b`: indented ones, and lists."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(f"\b\n{one}" if _has_own_lines(one) else one for one in paragraphs)


def _has_own_lines(paragraph: str) -> bool:
    lines = paragraph.splitlines()
    return not paragraph.startswith("\b") and all(line.startswith(("  ", "- ")) for line in lines if line)
