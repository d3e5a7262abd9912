from itertools import islice

import pytest

from services.common.errors import Fatal, Retriable
from services.common.retry import FIRST_SECONDS, LONGEST_SECONDS, delays, retry


class Action:
    """Fails with each of the errors, then returns 7."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def __call__(self) -> int:
        if self.errors:
            raise self.errors.pop(0)
        return 7


def test_it_is_retried_until_it_succeeds_and_every_failure_is_reported() -> None:
    first, second = Retriable("away"), Retriable("still away")
    paused: list[float] = []
    reported: list[tuple[Retriable, float]] = []
    result = retry(
        Action(first, second), paused.append, failed=lambda error, seconds: reported.append((error, seconds))
    )
    assert result == 7
    assert [error for error, _ in reported] == [first, second]
    assert [seconds for _, seconds in reported] == paused


def test_the_last_error_is_raised_after_all_attempts() -> None:
    paused: list[float] = []
    with pytest.raises(Retriable, match="b"):
        retry(Action(Retriable("a"), Retriable("b"), Retriable("c")), paused.append, attempts=2)
    assert len(paused) == 1


def test_a_pause_can_give_up() -> None:
    with pytest.raises(Retriable, match="a"):
        retry(Action(Retriable("a")), lambda _: True)


def test_other_errors_are_not_retried() -> None:
    with pytest.raises(Fatal):
        retry(Action(Fatal("wrong setting")), lambda _: None)


def test_pauses_double_up_to_the_longest() -> None:
    ceiling = FIRST_SECONDS
    for seconds in islice(delays(), 10):
        assert ceiling / 2 <= seconds <= ceiling
        ceiling = min(2 * ceiling, LONGEST_SECONDS)
