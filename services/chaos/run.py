"""A whole run: render, start, learn, then one round after the other, each noted in the journal."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.chaos.journal import Journal, RoundResult
from services.chaos.models import ModelSwitch
from services.chaos.rounds import Rounds
from services.chaos.system import running
from services.demo.cohort import CohortRequest, rendering

_TEMPLATES: Final = CohortRequest(6, seed=5, side=640, simple=True)
"""Specimens whose pictures are sent again and again, each time under new ids."""


@dataclass(frozen=True)
class ChaosOptions:
    """`folder` holds the journal, the logs and, while it runs, the servers. `longest_stop` is in seconds."""

    seed: int
    folder: Path
    longest_stop: float

    @property
    def journal(self) -> Journal:
        """The journal of the folder."""
        return Journal(self.folder / "journal.jsonl")


def open_rounds(options: ChaosOptions, count: int) -> list[int]:
    """Return the rounds below `count` that the journal does not hold as passed."""
    passed = {number for number, one in options.journal.results(options.seed).items() if not one.problems}
    return [number for number in range(count) if number not in passed]


@contextmanager
def prepared(options: ChaosOptions, on_progress: Callable[[str, str], None]) -> Iterator[Rounds]:
    """Start a system and learn from undisturbed passes; everything is stopped at the end.

    `on_progress` receives the name of a server, or `chaos`, and a message.
    """
    options.folder.mkdir(parents=True, exist_ok=True)
    with rendering(options.folder / "cohort", _TEMPLATES) as cohort, running(options.folder, on_progress) as system:
        models = ModelSwitch(system.settings, options.folder / "stack" / "second-version")
        rounds = Rounds(system, models, seed=options.seed, longest_stop=options.longest_stop)
        on_progress("chaos", "undisturbed passes")
        rounds.learn(cohort.result())
        yield rounds


def play(rounds: Rounds, options: ChaosOptions, numbers: Iterable[int]) -> Iterator[RoundResult]:
    """Play these rounds and yield each result, which is in the journal by then; ends after the first that failed."""
    for number in numbers:
        result = rounds.play(number)
        options.journal.add(result)
        yield result
        if result.problems:
            return
