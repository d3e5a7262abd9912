"""Every limit of intake in one table; docs/intake.md prints it with the reason code that each limit gives."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Limits(BaseSettings):
    """Limits from environment variables with prefix XRAY_LIMIT_; each names the reason code of its refusal.

    Sizes are checked on the file's headers, before anything is decoded. Scores are defined in
    `services.intake.quality`.
    """

    model_config = SettingsConfigDict(env_prefix="XRAY_LIMIT_", extra="ignore", frozen=True)

    most_bytes: int = Field(default=64 * 1024 * 1024, ge=1)
    """Largest file, and largest inflated DICOM data set, in bytes: `image_too_many_bytes`."""
    most_pixels: int = Field(default=40_000_000, ge=1)
    """Most pixels of one frame: `image_too_many_pixels`."""
    most_frames: int = Field(default=4, ge=1)
    """Most frames or pages of one file, of which the first is used: `too_many_frames`."""
    least_side: int = Field(default=96, ge=32)
    """Fewest pixels of the shorter side: `image_too_small`."""
