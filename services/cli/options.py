"""Durations as options: 30s, 15m, 1h, 2d.

Who gives a command.
"""

from __future__ import annotations

import getpass
import os
import re
from datetime import datetime, timedelta
from typing import Annotated, Final

import typer

from services.common.events.base import now


def user() -> str:
    """Return who runs this; a container's user has a number only."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def duration(text: str) -> timedelta:
    """Read 30s, 15m, 1h, 2d or 1w."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        message = f"{text!r} is no duration; write 30s, 15m, 1h, 2d or 1w"
        raise typer.BadParameter(message)
    try:
        return timedelta(**{_UNITS[match.group(2)]: float(match.group(1))})
    except OverflowError as error:
        message = f"{text!r} is too long"
        raise typer.BadParameter(message) from error


def moment_or_age(text: str) -> datetime:
    """Read an ISO 8601 time, or an age before now."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return now() - duration(text)
    return moment if moment.tzinfo else moment.astimezone()


SinceOption = Annotated[
    datetime | None,
    typer.Option(parser=moment_or_age, metavar="AGE|TIME", help="Recorded since, say 1h, 2d or 2024-05-31T12:00."),
]
