"""Settings of intake beyond those of every service."""

from __future__ import annotations

from pydantic import Field

from services.common.settings import ServiceSettings


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
