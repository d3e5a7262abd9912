"""Values that several commands take: settings, durations and times, who gives a command, names the ledger must know."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from services.common.settings import Settings

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_MOST_LISTED: Final = 20


def settings_for(*servers: str) -> Settings:
    """Return the settings; raises Retriable unless these servers answer."""
    from services.common.settings import Settings, load
    from services.operations.servers import require

    settings = load(Settings)
    require(settings, *servers)
    return settings


def user() -> str:
    """Return the name of the user who runs this; a user of a container may only have a number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def duration(text: str) -> timedelta:
    """Read 30s, 15m, 1h, 2d or 1w."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        message = f"{text!r} is not a duration; write 30s, 15m, 1h, 2d or 1w"
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
        return datetime.now(UTC) - duration(text)
    return moment if moment.tzinfo else moment.astimezone()


def require_known(value: str | None, known: Collection[str], what: str, option: str) -> None:
    """Raise typer.BadParameter (exit code 2) for a value that is not known, with those that are close to it."""
    if value is None or value in known:
        return
    by_lower_case = {one.casefold(): one for one in known}
    close = [by_lower_case[one] for one in get_close_matches(value.casefold(), by_lower_case, n=5, cutoff=0.5)]
    listed = sorted(known)[:_MOST_LISTED]
    advice = f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(listed) or 'none yet'}"
    message = f"{what} {value!r} is unknown; {advice}"
    raise typer.BadParameter(message, param_hint=option)


SinceOption = Annotated[
    datetime | None,
    typer.Option(parser=moment_or_age, metavar="AGE|TIME", help="Recorded since, such as 1h, 2d or 2024-05-31T12:00."),
]
