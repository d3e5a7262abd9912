"""`xray doctor`."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.output import JsonOption, Sheet, console, print_json

if TYPE_CHECKING:
    from services.operations.doctor import MachineProblem

app = typer.Typer(add_completion=False)


class CheckTarget(StrEnum):
    """What is to run on this machine."""

    STACK = "stack"
    COMPOSE = "compose"
    PASSWORDS = "passwords"


@app.command()
def doctor(
    target: Annotated[CheckTarget, typer.Argument(help="What is to run on this machine.")] = CheckTarget.STACK,
    as_json: JsonOption = False,
) -> None:
    """Show what is missing on this machine before anything starts, each with a remedy. Starts and changes nothing.

    `stack` checks for the local stack, `compose` for `docker compose up` with the variables of the environment and of
    .env. `passwords` checks only that no default password is used on an address that other machines reach; the
    containers run it before they start. Exit code 1 if something would fail.

    Examples:

        xray doctor
        xray doctor compose --json | jq '.[] | select(.fails) | .remedy'
    """
    from dataclasses import asdict

    findings = _findings(target)
    if as_json:
        print_json([asdict(one) for one in findings])
    elif findings:
        rows = ((one.subject, "fails" if one.fails else "may fail", one.message, one.remedy) for one in findings)
        console().print(Sheet("", ("subject", "effect", "problem~", "remedy~"), rows))
    else:
        console().print(f"{target.value}: nothing is missing")
    if any(one.fails for one in findings):
        raise typer.Exit(1)


def _findings(target: CheckTarget) -> list[MachineProblem]:
    import os

    from dotenv import dotenv_values

    from services.common.environment import CLONE, work_folder
    from services.operations.doctor import check_compose, check_passwords, check_stack, this_machine

    if target is CheckTarget.PASSWORDS:
        return check_passwords(os.environ)
    if target is CheckTarget.STACK:
        return check_stack(this_machine(work_folder()))
    written = {name: value or "" for name, value in dotenv_values(CLONE / ".env").items()}
    return check_compose(this_machine(CLONE), written | os.environ, CLONE)
