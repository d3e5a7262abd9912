"""Running a program that refuses to run as root (PostgreSQL) when we are root."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from pathlib import Path

from deploy.local.errors import StackError

_USER = "nobody"


def unprivileged(*needed: Path) -> tuple[str, ...]:
    """Return the command prefix that drops root; empty if we are not root.

    The user `nobody` cannot pass folders that are closed to others, such as a clone below /root. Then, and only then,
    the program keeps the one capability to search and read them (CAP_DAC_READ_SEARCH): the data itself is its own.

    Raises:
        StackError: `setpriv` or the user `nobody` is missing.
    """
    if os.geteuid() != 0:
        return ()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        words = "PostgreSQL does not run as root, and `setpriv` is not there to drop to another user"
        raise StackError("postgres", words, "install util-linux, or run as a normal user")
    user = _nobody()
    prefix = (setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    if all(is_open_to_others(path) for path in needed):
        return (*prefix, "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all")
    kept = "-all,+dac_read_search"
    return (*prefix, f"--inh-caps={kept}", f"--ambient-caps={kept}", f"--bounding-set={kept}")


def give_away(*paths: Path) -> None:
    """Make the unprivileged user the owner, if we are root."""
    if os.geteuid() == 0:
        user = _nobody()
        for path in paths:
            os.chown(path, user.pw_uid, user.pw_gid)


def is_open_to_others(path: Path) -> bool:
    """Tell whether every folder above `path` may be passed by any user."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.absolute().parents)


def _nobody() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(_USER)
    except KeyError:
        words = f"PostgreSQL does not run as root, and there is no user `{_USER}` to drop to"
        raise StackError("postgres", words, f"add the user `{_USER}`, or run as a normal user") from None
