"""Clients for the servers of a test module. The module's fixture `cli` names these servers."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from services.registry.repository import ModelRepository
from services.registry.triton_client import connect
from tests.integration.test_cli import Cli


@pytest.fixture(scope="module")
def client(cli: Cli) -> Iterator[Any]:
    """A client of the module's Triton."""
    with closing(connect(cli.settings)) as connection:
        yield connection


@pytest.fixture(scope="module")
def repository(cli: Cli) -> ModelRepository:
    """The model repository that this Triton serves."""
    return ModelRepository(cli.settings.model_repository)
