"""What must exist before any service starts: topics, bucket, tables, the first activation."""

from services.operations.provisioning.everything import prepare
from services.operations.provisioning.step import Step

__all__ = ["Step", "prepare"]
