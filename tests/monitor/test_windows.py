from datetime import UTC, datetime, timedelta, timezone

import pytest

from services.common.errors import Fatal
from services.common.settings import load
from services.monitor.counting import Windows, moment_of
from services.monitor.settings import MonitorSettings

DAY = 24 * 3600
DAYS = Windows(DAY, 3600, 14 * DAY)


def test_a_day_begins_at_midnight_utc_whatever_the_offset() -> None:
    start = DAYS.start_of(datetime(2026, 3, 1, 23, 59, 59, 999_999, tzinfo=UTC))
    assert moment_of(start) == datetime(2026, 3, 1, tzinfo=UTC)
    tokyo = timezone(timedelta(hours=9))
    assert DAYS.start_of(datetime(2026, 3, 2, 8, 59, tzinfo=tokyo)) == start
    assert DAYS.start_of(datetime(2026, 3, 2, 9, 0, tzinfo=tokyo)) == start + DAY


def test_a_window_closes_after_its_grace_and_expires_later() -> None:
    assert not DAYS.closed(0, DAY + 3599)
    assert DAYS.closed(0, DAY + 3600)
    assert not DAYS.expired(0, 15 * DAY - 1)
    assert DAYS.expired(0, 15 * DAY)


def test_wrong_clocks_are_distinguished_from_late_events() -> None:
    now = 100.5 * DAY
    assert DAYS.judge(100 * DAY, now) == "counts"
    assert DAYS.judge(101 * DAY, now) == "counts"
    assert DAYS.judge(102 * DAY, now) == "in_the_future"
    assert DAYS.judge(86 * DAY, now) == "counts"
    assert DAYS.judge(85 * DAY, now) == "too_late"


def test_a_window_is_kept_until_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAY_MONITOR_GRACE_SECONDS", "100")
    monkeypatch.setenv("XRAY_MONITOR_KEPT_SECONDS", "99")
    with pytest.raises(Fatal, match="XRAY_MONITOR_KEPT_SECONDS"):
        load(MonitorSettings)
