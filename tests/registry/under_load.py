"""A classifier under constant load while versions are added, removed and fail."""

from __future__ import annotations

import hashlib
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from kafka import KafkaProducer, TopicPartition
from numpy.typing import NDArray
from prometheus_client.parser import text_string_to_metric_families

from deploy.local.stack import Stack
from services.common.events import Event, PhenotypeCall, SpecimenView, TensorReady, parse_event
from services.common.events.base import now
from services.common.kafka.clients import reader
from services.common.kafka.reading import OffsetRange, partitions_of
from services.common.kafka.reading import read as read_records
from services.common.preprocessing import VERSION
from services.common.settings import Settings
from services.common.store import ObjectStore
from services.common.topics import CALLS, TENSORS
from services.fuser.service import npy
from services.operations.processes import Processes
from services.operations.provisioning import prepare
from services.registry.admit import add_version
from services.registry.repository import ModelRepository
from tests.integration.test_cli import Cli
from tests.registry.variants import MODEL, committed_golden

E = TypeVar("E", bound=Event)


@contextmanager
def stack_of_its_own(folder: Path) -> Iterator[Cli]:
    """Initialised servers for tests that change the models that Triton serves."""
    stack = Stack(folder / "stack", tied=True)
    try:
        stack.up()
        command = Cli(stack, folder / "state")
        list(prepare(command.settings))
        yield command
    finally:
        stack.down()


def brought(repository: ModelRepository, folder: Path, version: int) -> None:
    """Add a version that was written to `folder`."""
    add_version(ModelRepository(folder), repository, MODEL, version)


def lit(count: int) -> Iterator[NDArray[np.uint8]]:
    """Return this many different tensors of golden specimens, normal and abnormal, without a black pixel."""
    images = committed_golden().images
    for number in range(count):
        tensor = np.maximum(images[number % len(images)], 1)
        tensor[0, 0, 0] = 1 + number  # another digest, the same animal
        yield tensor


def tensor_keys(settings: Settings, tensors: Iterable[NDArray[np.uint8]]) -> list[tuple[str, str]]:
    """Store tensors; returns key and digest of each."""
    store, stored = ObjectStore(settings), []
    for tensor in tensors:
        data = npy(tensor)
        digest = hashlib.sha256(data).hexdigest()
        store.put(f"tensors/{digest}.npy", data)
        stored.append((f"tensors/{digest}.npy", digest))
    return stored


def announced(specimen: str, tensor: tuple[str, str]) -> TensorReady:
    """Return the event of a stored tensor."""
    key, digest = tensor
    view = SpecimenView(view="DV", image_sha256=digest, view_key="v")
    return TensorReady(
        biological_sample_id=specimen, centre="JAX", revision=2, views=(view, view),
        tensor_key=key, tensor_sha256=digest, tensor_side=224,
        preprocessing_version=VERSION, preprocessing_generation=1, announced_at=now(), produced_at=now(),
    )  # fmt: skip


def send_all(settings: Settings, specimens: Sequence[str], tensors: Sequence[tuple[str, str]], pause: float) -> None:
    """Announce a tensor for each specimen, `pause` seconds apart, all on one partition."""
    with closing(KafkaProducer(bootstrap_servers=settings.kafka_bootstrap)) as producer:
        for specimen, tensor in zip(specimens, tensors, strict=True):
            _send(producer, specimen, tensor)
            time.sleep(pause)


class Load:
    """Send a specimen every 0.2 s (`m0`, `m1`, …) with these tensors until the block ends."""

    def __init__(self, settings: Settings, tensors: Sequence[tuple[str, str]]) -> None:
        self._settings, self._tensors = settings, tensors
        self._stop = threading.Event()
        self.sent: list[str] = []

    def __enter__(self) -> Load:
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with closing(KafkaProducer(bootstrap_servers=self._settings.kafka_bootstrap)) as producer:
            while not self._stop.wait(0.2):
                specimen = f"m{len(self.sent)}"
                _send(producer, specimen, self._tensors[len(self.sent) % len(self._tensors)])
                self.sent.append(specimen)


def _send(producer: Any, specimen: str, tensor: tuple[str, str]) -> None:
    value = announced(specimen, tensor).encode()
    producer.send(TENSORS.name, key=b"one partition", value=value).get(timeout=30)


def read(settings: Settings, topic: str, event: type[E]) -> list[E]:
    """Read a whole topic."""
    with reader(settings, isolation_level="read_committed") as consumer:
        where: list[TopicPartition] = partitions_of(consumer, topic)
        ends = consumer.end_offsets(where)
        stretches = {one: OffsetRange(0, ends[one]) for one in where}
        return [parse_event(event, record.value) for record in read_records(consumer, stretches)]


def calls(settings: Settings) -> list[PhenotypeCall]:
    """Return all calls of specimens `m0`, `m1`, … in the order in which they were sent."""
    made = [call for call in read(settings, CALLS.name, PhenotypeCall) if call.biological_sample_id[0] == "m"]
    return sorted(made, key=lambda call: int(call.biological_sample_id[1:]))


def wait_for(settings: Settings, specimens: set[str], seconds: float = 60) -> dict[str, PhenotypeCall]:
    """Wait until each specimen has a call; returns the calls of these specimens."""
    deadline = time.monotonic() + seconds
    while True:
        made = {call.biological_sample_id: call for call in read(settings, CALLS.name, PhenotypeCall)}
        if specimens <= set(made):
            return {specimen: made[specimen] for specimen in specimens}
        assert time.monotonic() < deadline, f"no call of {sorted(specimens - set(made))}"
        time.sleep(0.5)


def exported(services: Processes, service: str, name: str, **labels: str) -> float:
    """Return the value that a service exports now; 0 for a series that it does not have."""
    with urllib.request.urlopen(f"http://127.0.0.1:{services.port(service)}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until a function returns true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.3)
