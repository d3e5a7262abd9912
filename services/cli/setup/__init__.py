"""What must exist before any service starts: topics, bucket, tables, the first activation."""

from services.cli.setup.everything import prepare
from services.cli.setup.step import Step

__all__ = ["Step", "prepare"]
