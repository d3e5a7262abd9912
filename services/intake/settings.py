"""Settings of intake in addition to those of every service, and all its limits.

docs/intake.md lists the limits with their reason codes; docs/settings.md is generated from the texts below.
"""

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.common.settings import ServiceSettings
from services.common.sources.hosts import AllowedHosts, https_origin, listed


class Limits(BaseSettings):
    """Limits from environment variables with prefix XRAY_LIMIT_; each names the reason code of its rejection.

    Sizes are checked on the file's headers before anything is decoded. Scores are defined in
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
    most_dicom_elements: int = Field(default=50_000, ge=100)
    """Most elements, items and fragments of a DICOM file: `dicom_too_complex`."""
    least_side: int = Field(default=96, ge=32)
    """Fewest pixels of the shorter side: `image_too_small`."""
    decoder_seconds: float = Field(default=15.0, gt=0, le=300)
    """Most time for decoding one image, in seconds: `decoder_limit`."""
    decoder_cpu_seconds: float = Field(default=10.0, gt=0, le=300)
    """Most processor time for decoding one image, in seconds: `decoder_limit`."""
    decoder_memory_mb: int = Field(default=1024, ge=64)
    """Most memory of a decoder process in MB, in addition to the 100 MB of its libraries; not enforced on macOS:
    `decoder_limit`."""
    least_stored_range: float = Field(default=0.003, ge=0, le=1)
    """Least `stored_range`: `blank`."""
    least_outline: float = Field(default=1.0, ge=0)
    """Least `outline`: `blank`."""
    least_signal_to_noise: float = Field(default=8.0, ge=0)
    """Least `signal_to_noise`: `under_exposed`."""
    least_contrast: float = Field(default=0.04, ge=0, le=1)
    """Least `contrast`: `low_contrast`."""
    most_saturated: float = Field(default=0.4, ge=0, le=1)
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
    """Most `touching` that a badly placed whole body may have: `not_whole_body`."""
    least_animal_side: float = Field(default=80.0, ge=1)
    """Least `animal_side`: `animal_too_small`."""
    most_body_angle: float = Field(default=180.0, ge=0, le=180)
    """Most `body_angle`: `body_angle`. 180 rejects none: animals may lie at any angle and are turned upright."""
    most_motion: float = Field(default=0.97, ge=0, le=1)
    """Most `motion`: `motion_blur`."""
    most_oblique: float = Field(default=0.5, ge=0, le=1)
    """Most `oblique`: `oblique`."""
    most_spine_offset_dv: float = Field(default=0.18, ge=0, le=1)
    """Most `spine_offset` of a DV that is not rolled; beyond it, the network's probability is `oblique`."""
    least_spine_offset_lat: float = Field(default=0.53, ge=0, le=1)
    """Least `spine_offset` of a LAT that is not rolled; below it, the network's probability is `oblique`."""
    least_tail_side: float = Field(default=0.8, ge=0)
    """Least `tail_side` of a DV: flag `mirrored_suspected`."""
    least_view_probability: float = Field(default=0.9, ge=0.5, le=1)
    """Least probability at which the network's view overrides the declared one; below: flag `view_uncertain`.
    A close-up of at least this probability: `not_whole_body`."""
    least_orientation_probability: float = Field(default=0.9, ge=0.5, le=1)
    """Least probability at which head direction and side are certain; below: flag `orientation_uncertain`."""


class IntakeSettings(ServiceSettings):
    """The sources from which images may be fetched."""

    workers: int = Field(default=2, ge=1, le=64)
    """Threads that handle the images of a batch; each needs about 40 MB for an image of 1,500x1,500 pixels."""
    https_hosts: str = ""
    """Hosts from which images may be fetched by HTTPS, comma-separated; none by default. Port 443 only, unless given
    as `host:port`."""
    private_hosts: str = ""
    """Allowed hosts whose addresses may be private (10.x.x.x, loopback, ...), comma-separated names without port; all
    others must have public addresses."""
    https_ca_file: str = ""
    """PEM file of the authorities that sign those hosts' certificates; by default those of the system."""
    https_seconds: float = Field(default=30, ge=1, le=600)
    """Longest time of one fetch by HTTPS in seconds, from the name to the last byte."""
    source_buckets: str = ""
    """Buckets other than XRAY_S3_BUCKET from which images may be read, comma-separated."""
    source_retry_hours: float = Field(default=24, ge=0, le=24 * 90)
    """Hours for which an image is tried again whose host or bucket does not answer; then: `source_unavailable`."""

    @field_validator("https_hosts")
    @classmethod
    def _hosts_are_hosts(cls, text: str) -> str:
        for name in listed(text):
            https_origin(name)
        return text

    @field_validator("private_hosts")
    @classmethod
    def _private_hosts_have_no_port(cls, text: str) -> str:
        for name in listed(text):
            if ":" in name:
                msg = "write names without port"
                raise ValueError(msg)
            https_origin(name)
        return text

    def allowed_hosts(self) -> AllowedHosts:
        """Return the hosts from which images may be fetched by HTTPS."""
        return AllowedHosts(frozenset(map(https_origin, listed(self.https_hosts))), listed(self.private_hosts))

    def source_bucket_names(self) -> set[str]:
        """Return the additional buckets."""
        return {name.strip() for name in self.source_buckets.split(",") if name.strip()}
