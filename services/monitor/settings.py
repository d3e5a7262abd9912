"""The settings that only the monitor has."""

from pathlib import Path
from typing import Final, Self

from pydantic import Field, model_validator

from services.common.settings import ServiceSettings
from services.monitor.counting import Windows

_DAY: Final = 24 * 3600


class MonitorSettings(ServiceSettings):
    """Windows, and when a difference counts as drift."""

    monitor_window_seconds: int = Field(default=_DAY, ge=1, le=366 * _DAY)
    """Length of a window; windows begin at multiples of it since 1970-01-01 UTC."""
    monitor_grace_seconds: int = Field(default=3600, ge=0)
    """Seconds after its end at which a window is closed and published: time to call what was announced in it."""
    monitor_kept_seconds: int = Field(default=14 * _DAY, ge=1)
    """How long after its end a window still takes late events, which publish it again; at least the grace."""
    monitor_reference_windows: int = Field(default=30, ge=1, le=1000)
    """How many earlier windows of a centre are its reference."""
    monitor_least_count: int = Field(default=50, ge=1)
    """Fewest observations, in the window and in its reference, on which drift is judged."""
    monitor_least_shift: float = Field(default=0.2, gt=0)
    """Least population stability index that is called drift; more where counts are small."""
    monitor_folder: Path = Path(".stack/monitor")
    """Folder of the local copy of the tables, one subfolder per Kafka cluster id; without it they are read back from
    their changelog topic."""

    @model_validator(mode="after")
    def _kept_until_closed(self) -> Self:
        if self.monitor_kept_seconds < self.monitor_grace_seconds:
            msg = "XRAY_MONITOR_KEPT_SECONDS must be at least XRAY_MONITOR_GRACE_SECONDS"
            raise ValueError(msg)
        return self

    def windows(self) -> Windows:
        """Return the windows that these settings describe."""
        return Windows(self.monitor_window_seconds, self.monitor_grace_seconds, self.monitor_kept_seconds)
