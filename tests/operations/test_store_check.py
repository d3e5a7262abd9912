"""The check of an object store: a sound store passes, each kind of weaker store is found."""

import threading
from collections.abc import Callable

import pytest

from deploy.local.stack import Stack
from services.common.settings import settings_of
from services.common.store import ObjectStore
from services.operations.store_check import CheckedStore, StoreCheck
from tests.common.memory_store import MemoryStore


def violated(connect: Callable[[], CheckedStore]) -> list[str]:
    return [one.name for one in StoreCheck(connect, writers=4, keys=12).run() if not one.holds]


def test_a_sound_store_passes_and_is_left_empty() -> None:
    store = MemoryStore()
    check = StoreCheck(lambda: store, writers=4, keys=12)
    done: list[int] = []
    check.on_progress = done.append
    assert all(one.holds for one in check.run())
    assert (max(done), len(done)) == (check.operations, check.operations)
    assert not store.objects


class LateListing(MemoryStore):
    """Lists what was there one write ago."""

    def keys(self, prefix: str, limit: int | None = None) -> list[str]:
        with self._lock:
            newest = next(reversed(self.objects), None)
        return [key for key in super().keys(prefix, limit) if key != newest]


class RemembersAbsence(MemoryStore):
    """Answers that a key is absent once more after it was written, if it was looked up before."""

    def __init__(self) -> None:
        super().__init__()
        self.absent: set[str] = set()

    def get(self, key: str, limit: int | None = None) -> bytes:
        if key in self.absent:
            self.absent.discard(key)
            return super().get(f"{key}.absent")
        if key not in self.objects:
            self.absent.add(key)
        return super().get(key, limit)


class IgnoresConditions(MemoryStore):
    """Writes whatever the condition says."""

    def put_new(self, key: str, data: bytes) -> bool:
        self.put(key, data)
        return True


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (LateListing, "list after write"),
        (RemembersAbsence, "read after write"),
        (IgnoresConditions, "conditional write"),
    ],
)
def test_a_weaker_store_is_found(kind: type[MemoryStore], name: str) -> None:
    store = kind()
    assert violated(lambda: store) == [name]


@pytest.mark.integration
def test_the_store_of_the_local_stack_passes(stack: Stack) -> None:
    settings = settings_of(stack.environment())
    store = ObjectStore(settings.model_copy(update={"s3_bucket": "checked"}))
    store.create_bucket()
    opened: list[int] = []
    lock = threading.Lock()

    def connect() -> ObjectStore:
        with lock:
            opened.append(1)
        return ObjectStore(settings.model_copy(update={"s3_bucket": "checked"}))

    properties = StoreCheck(connect, writers=4, keys=20).run()
    assert len(opened) == 4, "every writer has a client of its own"
    assert [one.examples for one in properties] == [()] * 3
    assert [one.trials for one in properties] == [80, 16, 20]
    assert not store.keys("checks/")
