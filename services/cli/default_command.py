"""A command group of which one command need not be named."""

from __future__ import annotations

from typing import Any, ClassVar

from typer.core import TyperGroup


class DefaultCommandGroup(TyperGroup):
    """Takes `xray GROUP ...` for `xray GROUP DEFAULT ...` unless another command is named."""

    default_command: ClassVar[str]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default command before arguments that name none."""
        named = bool(args) and args[0] in self.commands
        return super().parse_args(ctx, args if named else [self.default_command, *args])
