"""Runs a family of inputs through the code that reads them, and limits what one input may cost.

An input is a function of the family's name and its number. `XRAY_FUZZ_INPUTS` is the number of inputs per family,
and `XRAY_FUZZ_ONLY` the number of a single one to repeat.
"""

import os
import signal
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final

INPUTS: Final = int(os.environ.get("XRAY_FUZZ_INPUTS", "200"))
TIMEOUT: Final = 120 + INPUTS // 10
"""Seconds for one family; `SECONDS` limits each input."""
SECONDS: Final = 5.0
"""Processor time for one input. The slowest that is accepted takes about a tenth of it."""
_PEAK_MB: Final = 400
"""Most memory that a family may add to the process at any moment."""
ACCEPTED: Final = "accepted"

Check = Callable[[Random], str]
"""Makes one input, reads it, and returns `accepted` or the reason of its refusal; asserts everything else."""


class TooSlowError(BaseException):
    """An input took too long. Not an Exception, so that no handler for unexpected errors catches it."""


def run(family: str, check: Check, reasons: Collection[str], *, accepted: float = 0.02, inputs: int = INPUTS) -> None:
    """Check every input of a family; its outcome must be `accepted` or one of `reasons`.

    At least a share of `accepted` must be accepted and some must be refused: otherwise the family tests nothing.
    """
    outcomes: Counter[str] = Counter()
    only = os.environ.get("XRAY_FUZZ_ONLY")
    numbers = range(inputs) if only is None else [int(only)]
    with _memory_limited(family):
        for number in numbers:
            try:
                with _time_limited():
                    outcome = check(Random(f"{family} {number}"))
                assert outcome in {ACCEPTED, *reasons}, f"{outcome!r} is not a reason that the reader documents"
            except (Exception, TooSlowError) as error:
                what = f"{type(error).__name__}: {str(error)[:1000]}"
                msg = f"input {number} of {family} ({what}); XRAY_FUZZ_ONLY={number} repeats it"
                raise AssertionError(msg) from error
            outcomes[outcome] += 1
    print(f"{family}: {len(numbers)} inputs, {dict(outcomes.most_common())}")  # noqa: T201
    if len(numbers) > 1:
        assert outcomes[ACCEPTED] >= accepted * len(numbers), outcomes
        assert outcomes[ACCEPTED] < len(numbers), outcomes


@contextmanager
def _time_limited() -> Iterator[None]:
    """Raise TooSlowError after `SECONDS` of processor time, which a busy machine does not shorten."""

    def stop(*_: Any) -> None:
        raise TooSlowError

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextmanager
def _memory_limited(family: str) -> Iterator[None]:
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again
    before = _resident_mb("VmRSS")
    yield
    grown = _resident_mb("VmHWM") - before
    assert grown < _PEAK_MB, f"{family} took {grown:.0f} MB"


def _resident_mb(field: str) -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0]) / 1024
