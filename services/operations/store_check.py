"""Proves that an object store has the three properties on which grouping and storing depend (docs/delivery.md).

Each property is tried by several threads at the same time, each with its own client, because a store that is only
eventually consistent usually keeps its promises for a single client.
"""

import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Protocol

from services.common.errors import PipelineError, Rejected, Retriable

WRITERS: Final = 8
KEYS: Final = 160
"""Objects per writer: together they fill more than one page of 1,000 keys of a listing."""
_LIST_EVERY: Final = 8
_CONTESTS: Final = 20
_MOST_EXAMPLES: Final = 3


class CheckedStore(Protocol):
    """What is checked; `services.common.store.ObjectStore` implements it."""

    def put(self, key: str, data: bytes) -> None: ...  # noqa: D102
    def put_new(self, key: str, data: bytes) -> bool: ...  # noqa: D102
    def get(self, key: str) -> bytes: ...  # noqa: D102
    def keys(self, prefix: str) -> list[str]: ...  # noqa: D102
    def delete(self, key: str) -> None: ...  # noqa: D102


@dataclass(frozen=True)
class StoreProperty:
    """One property, how often it was tried, and up to three examples of where it did not hold."""

    name: str
    why: str
    trials: int
    violations: int
    examples: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether no trial failed."""
        return self.violations == 0


class _Tally:
    """Counts the trials of one property. Thread-safe."""

    def __init__(self, name: str, why: str) -> None:
        self._name, self._why = name, why
        self._lock = threading.Lock()
        self._trials = 0
        self._violations: list[str] = []

    def note(self, violation: str | None) -> None:
        with self._lock:
            self._trials += 1
            if violation is not None:
                self._violations.append(violation)

    def result(self) -> StoreProperty:
        examples = tuple(self._violations[:_MOST_EXAMPLES])
        return StoreProperty(self._name, self._why, self._trials, len(self._violations), examples)


class StoreCheck:
    """Runs the check below a prefix of its own, and deletes its objects at the end."""

    def __init__(
        self,
        connect: Callable[[], CheckedStore],
        *,
        writers: int = WRITERS,
        keys: int = KEYS,
    ) -> None:
        """`connect` opens a further client; `on_progress` gets the number of operations done, out of `operations`."""
        self._stores = [connect() for _ in range(writers)]
        self._keys = keys
        self._prefix = f"checks/{uuid.uuid4().hex}"
        self._lock = threading.Lock()
        self._acknowledged: set[str] = set()
        self._done = 0
        self.operations = writers * keys + _CONTESTS
        self.on_progress: Callable[[int], None] = lambda _: None

    def run(self) -> list[StoreProperty]:
        """Return the properties; raises Retriable when the store is away, Fatal when the settings are wrong."""
        try:
            return [*self._check_views(), self._check_contests()]
        finally:
            self._clean()

    def _check_views(self) -> list[StoreProperty]:
        read = _Tally(
            "read after write", "a service reads what another has just announced; a view must not be missing or old"
        )
        listed = _Tally(
            "list after write", "of two workers that store a view each, the later one must list both, or a view is lost"
        )
        self._in_parallel(lambda number: self._write(number, read, listed))
        return [read.result(), listed.result()]

    def _write(self, number: int, read: _Tally, listed: _Tally) -> None:
        own, other = self._stores[number], self._stores[number - 1]
        for count in range(self._keys):
            key = f"{self._prefix}/views/{count:04d}-{number:02d}"
            data = uuid.uuid4().bytes
            found = _read(other, key)  # a store may remember that a key was absent
            own.put(key, data)
            with self._lock:
                self._acknowledged.add(key)
                acknowledged = set(self._acknowledged)
            read.note(f"{key} existed before it was written" if found else _difference(other, key, data))
            if count % _LIST_EVERY == 0 or count == self._keys - 1:
                missing = acknowledged - set(other.keys(f"{self._prefix}/views/"))
                listed.note(f"{len(missing)} of {len(acknowledged)} keys missing" if missing else None)
            self._advance()

    def _check_contests(self) -> StoreProperty:
        contest = _Tally(
            "conditional write", "of several workers that write one new key, exactly one may succeed (If-None-Match: *)"
        )
        for number in range(_CONTESTS):
            key = f"{self._prefix}/contests/{number}"
            barrier = threading.Barrier(len(self._stores))
            won = self._in_parallel(lambda one, key=key, barrier=barrier: self._compete(one, key, barrier))  # type: ignore[misc]
            winners = [one for one, success in enumerate(won) if success]
            kept = _read(self._stores[0], key)
            right = len(winners) == 1 and kept == _name(winners[0])
            contest.note(None if right else f"{len(winners)} of {len(won)} writers succeeded, {kept!r} is stored")
            self._advance()
        return contest.result()

    def _compete(self, number: int, key: str, barrier: threading.Barrier) -> bool:
        barrier.wait()
        try:
            return self._stores[number].put_new(key, _name(number))
        except Retriable as error:
            if error.kind == "ConditionalRequestConflict":  # somebody else is writing it
                return False
            raise

    def _in_parallel(self, work: Callable[[int], bool | None]) -> list[bool | None]:
        with ThreadPoolExecutor(len(self._stores)) as pool:
            return list(pool.map(work, range(len(self._stores))))

    def _advance(self) -> None:
        with self._lock:
            self._done += 1
            done = self._done
        self.on_progress(done)

    def _clean(self) -> None:
        store = self._stores[0]
        try:
            keys = {*store.keys(f"{self._prefix}/"), *self._acknowledged}
            with ThreadPoolExecutor(len(self._stores)) as pool:
                list(pool.map(store.delete, keys))
        except PipelineError:  # the check has failed already, or its result matters more
            return


def _read(store: CheckedStore, key: str) -> bytes | None:
    try:
        return store.get(key)
    except Rejected:
        return None


def _difference(store: CheckedStore, key: str, data: bytes) -> str | None:
    found = _read(store, key)
    if found == data:
        return None
    return f"{key} could not be read after it was written" if found is None else f"{key} has other bytes"


def _name(number: int) -> bytes:
    return f"writer {number}".encode()
