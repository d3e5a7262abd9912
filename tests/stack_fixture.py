"""The real servers for integration tests: started once per test run and stopped with it, even if it is killed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Kafka, SeaweedFS, Triton and PostgreSQL of this test run; downloads come from the clone's cache."""
    folder: Path = tmp_path_factory.mktemp("stack")
    servers = Stack(folder, tied=True)
    servers.up()
    yield servers
    servers.down()
    servers.clear()
