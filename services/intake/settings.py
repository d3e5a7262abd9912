"""Settings of intake beyond those of every service.

Every limit of intake in one table; docs/intake.md prints it with the reason code that each limit gives.
"""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.common.settings import ServiceSettings


class Limits(BaseSettings):
    """Limits from environment variables with prefix XRAY_LIMIT_; each names the reason code of its refusal.

    Sizes are checked on the file's headers, before anything is decoded. Scores are defined in
    `services.intake.quality`.
    """

    model_config = SettingsConfigDict(
        env_prefix="XRAY_LIMIT_", extra="ignore", frozen=True, use_attribute_docstrings=True
    )

    most_bytes: int = Field(default=64 * 1024 * 1024, ge=1)
    """Largest file, and largest inflated DICOM data set, in bytes: `image_too_many_bytes`."""
    most_pixels: int = Field(default=40_000_000, ge=1)
    """Most pixels of one frame: `image_too_many_pixels`."""
    most_frames: int = Field(default=4, ge=1)
    """Most frames or pages of one file, of which the first is used: `too_many_frames`."""
    least_side: int = Field(default=96, ge=32)
    """Fewest pixels of the shorter side: `image_too_small`."""
    least_stored_range: float = Field(default=0.003, ge=0, le=1)
    """Least `stored_range`: `blank`."""
    least_outline: float = Field(default=1.0, ge=0)
    """Least `outline`: `blank`."""
    least_signal_to_noise: float = Field(default=8.0, ge=0)
    """Least `signal_to_noise`: `under_exposed`."""
    least_contrast: float = Field(default=0.04, ge=0, le=1)
    """Least `contrast`: `low_contrast`."""
    most_saturated: float = Field(default=0.5, ge=0, le=1)
    """Most `saturated`: `over_exposed`."""
    least_tissue_contrast: float = Field(default=0.15, ge=0, le=1)
    """Least `tissue_contrast`: `over_exposed` (a silhouette)."""
    most_step: float = Field(default=0.2, ge=0)
    """Most `step`: `sharp_steps`."""
    most_animals: int = Field(default=1, ge=1)
    """Most `animals`: `several_animals`."""
    most_touching: float = Field(default=0.14, ge=0)
    """Most `touching`: `cut_off`."""
    most_touching_whole_body: float = Field(default=0.65, ge=0)
    """Most `touching` that may be a badly placed whole body: beyond it `not_whole_body`."""
    least_animal_side: float = Field(default=80.0, ge=1)
    """Least `animal_side`: `animal_too_small`."""
    most_body_angle: float = Field(default=180.0, ge=0, le=180)
    """Most `body_angle`: `body_angle`; 180 refuses none, since animals lie at any angle and are turned upright."""
    least_view_probability: float = Field(default=0.9, ge=0.5, le=1)
    """A view is believed from this probability on, against the declared one too; below: flag `view_uncertain`.
    A close-up that is believed: `not_whole_body`."""
    least_orientation_probability: float = Field(default=0.9, ge=0.5, le=1)
    """Head direction and side are believed from this probability on; below: flag `orientation_uncertain`."""


class IntakeSettings(ServiceSettings):
    """Where images may come from."""

    workers: int = Field(default=2, ge=1, le=64)
    """Threads that handle the images of a batch; each takes some 40 MB for a picture of 1,500 pixels a side."""
    https_hosts: str = ""
    """Host names that images may be fetched from by HTTPS, comma-separated; none by default."""
    https_ca_file: str = ""
    """PEM file of the authorities that sign those hosts' certificates; the system's by default."""
    source_buckets: str = ""
    """Buckets besides XRAY_S3_BUCKET that images may be read from, comma-separated."""

    def https_host_names(self) -> set[str]:
        """Return the allowed hosts in lower case."""
        return {name.strip().lower() for name in self.https_hosts.split(",") if name.strip()}

    def source_bucket_names(self) -> set[str]:
        """Return the additional buckets."""
        return {name.strip() for name in self.source_buckets.split(",") if name.strip()}
