"""A command group that imports a command's module only when that command is used.

`xray --help` stays fast, and a command whose extras are not installed (say `stack`) harms no other.

A command group of which one command need not be named.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from services.common.errors import Fatal


class DefaultCommandGroup(TyperGroup):
    """Takes `xray GROUP ...` for `xray GROUP DEFAULT ...` unless another command is named."""

    default_command: ClassVar[str]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command before arguments that name none."""
        named = bool(args) and args[0] in self.commands
        return super().parse_args(ctx, args if named else [self.default_command, *args])


_DATA: Final = "Images and calls"
_OPERATE: Final = "Operate"
_TRAIN: Final = "Train"
_TRY: Final = "Try and measure"


@dataclass(frozen=True)
class LazyCommand:
    """Where a command lives (`module:name` of a Typer app or of one function), and its line in the list.

    `setup` installs the libraries that it needs.
    """

    target: str
    help: str
    panel: str
    setup: str = "make setup"


COMMANDS: Final = {
    "push": LazyCommand("services.cli.push.command:app", "Upload image files and announce them on xray.images.", _DATA),
    "backfill": LazyCommand(
        "services.cli.backfill.command:app", "Take IMPC's published X-rays and observations in.", _DATA
    ),
    "calls": LazyCommand(
        "services.cli.calls.command:app", "List or follow phenotype calls; show one with its lineage.", _DATA
    ),
    "specimens": LazyCommand(
        "services.cli.specimens:app", "Show one specimen's state, or those still incomplete.", _DATA
    ),
    "review": LazyCommand("services.cli.review:app", "Correct a call, or confirm it, label by label.", _DATA),
    "rejections": LazyCommand("services.cli.rejections:app", "List, show and replay what was refused.", _DATA),
    "init": LazyCommand("services.cli.init:app", "Create topics, bucket, tables and the first activation.", _OPERATE),
    "run": LazyCommand("services.cli.run:run", "Run one service, or all, in the foreground.", _OPERATE),
    "status": LazyCommand("services.cli.status:app", "Show topics, consumer lag and the servers' health.", _OPERATE),
    "statistics": LazyCommand(
        "services.cli.statistics:app", "Show each centre's windows and drift; count them anew.", _OPERATE
    ),
    "reconcile": LazyCommand(
        "services.cli.reconcile:app", "Account for every announced image, by topics and ledger.", _OPERATE
    ),
    "trace": LazyCommand("services.cli.trace:app", "Follow one specimen through all services, step by step.", _OPERATE),
    "models": LazyCommand(
        "services.cli.models.command:app", "List, add, promote and roll back model versions.", _OPERATE
    ),
    "reprocess": LazyCommand(
        "services.cli.reprocess:app",
        "Re-run calls for past specimens with new models or preprocessing.",
        _OPERATE,
    ),
    "stack": LazyCommand("services.cli.stack:app", "Start and stop the servers as local processes.", _OPERATE),
    "train": LazyCommand(
        "services.cli.train.group:app", "Make label sets, train and judge models.", _TRAIN, "make setup-dev"
    ),
    "demo": LazyCommand("services.cli.demo.command:app", "Send 60 simulated specimens through everything.", _TRY),
    "bench": LazyCommand("services.cli.bench:app", "Measure the pipeline against a bare loop.", _TRY),
}


class LazyGroup(TyperGroup):
    """Lists its commands without importing them."""

    commands_to_load: ClassVar[Mapping[str, LazyCommand]] = COMMANDS

    def __init__(self, **attributes: Any) -> None:
        """Put a stand-in for every command in the list."""
        super().__init__(**attributes)
        for name, command in self.commands_to_load.items():
            self.add_command(TyperCommand(name, help=command.help, rich_help_panel=command.panel))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command among the stand-ins, then load the real one."""
        name, stand_in, rest = super().resolve_command(ctx, args)
        return name, None if stand_in is None or name is None else load(name, self.commands_to_load[name]), rest


def load(name: str, command: LazyCommand) -> Any:
    """Import one command; raises Fatal when a library it needs is not installed."""
    module, _, attribute = command.target.partition(":")
    try:
        target = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        msg = f"`xray {name}` needs {error.name}, which is not installed; run `{command.setup}`"
        raise Fatal(msg) from error
    if not isinstance(target, typer.Typer):
        function, target = target, typer.Typer(add_completion=False)
        target.command(name)(function)
    loaded = get_command(target)
    loaded.name = name
    return loaded
