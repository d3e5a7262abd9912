"""Values that several commands take: settings, durations and times, who gives a command, names the ledger must know."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from services.common.settings import Settings

_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_MOST_LISTED: Final = 60


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


def require_known(value: str | None, known: Collection[str], what: str, option: str, remedy: str = "") -> None:
    """Raise typer.BadParameter (exit code 2) for a value that is not known, with those that are close to it.

    `remedy` follows the suggestions.
    """
    if value is None or value in known:
        return
    by_lower_case = {one.casefold(): one for one in known}
    close = [by_lower_case[one] for one in get_close_matches(value.casefold(), by_lower_case, n=5, cutoff=0.5)]
    listed = ", ".join(sorted(known)[:_MOST_LISTED]) + (", ..." if len(known) > _MOST_LISTED else "")
    advice = f"did you mean {' or '.join(close)}?" if close else f"known are {listed or 'none yet'}"
    message = f"{what} {value!r} is unknown; {advice}{remedy}"
    raise typer.BadParameter(message, param_hint=option)


NewCentreOption = Annotated[
    bool, typer.Option("--new-centre", help="Accept a --centre that neither IMPC nor the ledger knows yet.")
]


def require_centres(names: Iterable[str], *, new: bool) -> None:
    """Raise typer.BadParameter for a centre that neither IMPC nor the ledger knows, unless it is confirmed as new.

    Centres of the demo need no confirmation. The ledger is asked only for a name that IMPC does not have.
    """
    from services.ingest.centres import IMPC_CENTRES, is_accepted

    others = [name for name in names if not is_accepted(name)]
    if new or not others:
        return
    known = IMPC_CENTRES | _centres_of_the_ledger()
    for name in others:
        require_known(name, known, "centre", "--centre", " (--new-centre confirms a new one)")


def _centres_of_the_ledger() -> set[str]:
    """Return the centres that the ledger knows; none if it cannot be asked, because a push does not need it."""
    from services.common.errors import PipelineError
    from services.ledger.database import ledger
    from services.ledger.queries import known_centres

    try:
        with ledger(settings_for("postgres")) as connection:
            return known_centres(connection)
    except PipelineError:
        return set()


SinceOption = Annotated[
    datetime | None,
    typer.Option(parser=moment_or_age, metavar="AGE|TIME", help="Recorded since, such as 1h, 2d or 2024-05-31T12:00."),
]
