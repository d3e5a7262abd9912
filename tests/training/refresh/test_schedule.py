from datetime import UTC, datetime, timedelta

import pytest

from services.common.errors import Fatal, Rejected, Retriable
from services.common.settings import Settings
from training.refresh import schedule as module
from training.refresh.schedule import Schedule, watch

LAST = datetime(2026, 5, 1, tzinfo=UTC)
WEEK = timedelta(days=7)


def counted(reviews: int) -> object:
    return lambda since: reviews if since == LAST else 0


@pytest.mark.parametrize(
    ("after", "later", "reviews", "due"),
    [
        (None, WEEK, 0, True),
        (None, timedelta(days=6), 1000, False),
        (200, timedelta(days=1), 199, False),
        (200, timedelta(days=1), 200, True),
        (200, WEEK, 0, True),
    ],
)
def test_a_refresh_is_due_after_an_interval_or_a_number_of_reviews(
    after: int | None, later: timedelta, reviews: int, due: bool
) -> None:
    schedule = Schedule(WEEK, after)
    assert schedule.is_due(LAST, LAST + later, counted(reviews)) is due  # type: ignore[arg-type]


def test_the_first_one_is_due_at_once() -> None:
    assert Schedule(WEEK, None).is_due(None, LAST, lambda _since: 0)


def test_a_refusal_or_an_unreachable_server_does_not_end_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = iter([Retriable("PostgreSQL away"), Rejected("refresh_running", "by another"), Fatal("no bucket")])

    def once() -> None:
        raise next(ends)

    monkeypatch.setattr(module, "CHECK_SECONDS", 0)
    with pytest.raises(Fatal, match="no bucket"):
        watch(Schedule(timedelta(0), None), Settings(), once, lambda _text: None)
