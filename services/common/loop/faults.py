"""What an unexpected exception in a handler means: this machine is short of something, or the program has a bug."""

import errno
import traceback
from typing import Final

import structlog

from services.common.errors import Rejected, Retriable

log = structlog.get_logger()

_SHORTAGES: Final = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EROFS}
)
"""Disk full, too many open files, no memory, no process or thread: any other record would fail in the same way."""
_LONGEST_MESSAGE: Final = 500
_LONGEST_TRACEBACK: Final = 4000


def unexpected(error: Exception) -> Rejected:
    """Return the rejection of a record on which the program failed with an error that it does not know.

    One record costs only itself, however many fail in a row: whoever writes to a topic must not be able to stop the
    service. The rejection can be replayed once the bug is fixed. A Rejected is returned as it is. Raises
    Retriable when the fault is the machine's.
    """
    if isinstance(error, Rejected):
        return error
    shortage = _shortage(error)
    if shortage is not None:
        raise Retriable(f"this machine is short of something: {error!r}", server="machine", kind=shortage) from error
    log.error("internal error", error=repr(error)[:_LONGEST_MESSAGE], traceback=_traceback(error))
    message = f"{type(error).__name__}: {error}"[:_LONGEST_MESSAGE]
    return Rejected("internal_error", message, traceback=_traceback(error))


def _shortage(error: Exception) -> str | None:
    if isinstance(error, OSError) and error.errno in _SHORTAGES:
        return errno.errorcode[error.errno]
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return "EAGAIN"
    return "ENOMEM" if isinstance(error, MemoryError) else None


def _traceback(error: Exception) -> str:
    return "".join(traceback.format_exception(error))[-_LONGEST_TRACEBACK:]
