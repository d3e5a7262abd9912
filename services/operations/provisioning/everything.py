"""All of setup in its order."""

from __future__ import annotations

from collections.abc import Iterator

from services.common.settings import Settings
from services.common.store import ObjectStore
from services.ledger.migrate import migrate
from services.operations.provisioning.activation import ensure_activation
from services.operations.provisioning.step import Step
from services.operations.provisioning.topics import ensure_topics


def prepare(settings: Settings) -> Iterator[Step]:
    """Create or mend everything that is needed and yield each step when it is done; doing it twice changes nothing.

    Raises Fatal (naming the setting) or Retriable (a server is away); what was made before stays.
    """
    yield from ensure_topics(settings)
    made = ObjectStore(settings).create_bucket()
    yield Step(f"bucket {settings.s3_bucket}", "made" if made else "there")
    applied = migrate(settings.postgres_dsn.get_secret_value())
    yield Step("tables of the ledger", "made" if applied else "there", ", ".join(applied))
    yield ensure_activation(settings)
