"""Uploads images, several at a time, and announces each after its upload; retries while a server is away."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from pydantic import ValidationError

from services.common.errors import Rejected, Retriable
from services.common.events import ImageEvent
from services.common.events.base import now
from services.common.events.image import id_by_centre
from services.common.kafka.clients import administrator, publisher
from services.common.kafka.errors import translated
from services.common.keys import original_key
from services.common.retry import retry
from services.common.settings import Settings
from services.common.store import ObjectStore
from services.common.topics import CENTRE_IMAGES, IMAGES
from services.ingest.push.image import PushImage
from services.ingest.push.journal import UploadJournal, default_folder

T = TypeVar("T")
TRIES: Final = 6


def retry_until_stopped(action: Callable[[], T], stop: threading.Event, tries: int = TRIES) -> T:
    """Retry up to `tries` times, or until `stop` is set; raises the last Retriable."""
    return retry(action, stop.wait, attempts=tries)


@dataclass(frozen=True)
class PushConnection:
    """The bucket and the uploader of one run; `cluster` is the id of the Kafka cluster that the journal is for."""

    store: ObjectStore
    uploader: Uploader
    cluster: str


@contextmanager
def connect(settings: Settings, parallel: int, *, again: bool = False) -> Iterator[PushConnection]:
    """Check the bucket, connect to the broker and open the cluster's journal; `again` ignores its entries.

    Raises Retriable if a server is away, Fatal if bucket or credentials are wrong.
    """
    store = ObjectStore(settings, connections=parallel)
    store.check_bucket()
    with administrator(settings) as admin:
        cluster: str = admin.describe_cluster()["cluster_id"]
        existing = frozenset(admin.list_topics())
    path = default_folder() / f"pushed-{cluster}.jsonl"
    with publisher(settings) as producer, UploadJournal(path, again=again) as journal:
        yield PushConnection(
            store, Uploader(store, producer, journal, existing, ids_by_centre=settings.ids_by_centre), cluster
        )


SOURCE_AWAY: Final = "source_away"
"""Reason of a failure: the server that holds the image did not answer in any of the tries."""
_ACKNOWLEDGED_SECONDS: Final = 60


@dataclass(frozen=True)
class PushResult:
    """The outcome for one image; `reason` and `message` are set for a failure, the other two for a push."""

    image: PushImage
    outcome: Literal["pushed", "done_before", "failed"]
    event_id: str | None = None
    image_uri: str | None = None
    reason: str | None = None
    message: str | None = None


class Uploader:
    """Pushes images; each is stored in the bucket, then its event is published, then the journal records it.

    `stop` is set when a push ends, so that sources stop waiting.
    """

    def __init__(
        self,
        store: ObjectStore,
        producer: Any,
        journal: UploadJournal,
        topics: Collection[str] = (),
        *,
        ids_by_centre: bool = False,
    ) -> None:
        """Use a store, a KafkaProducer and an open journal; the caller closes them.

        `topics` are those that the broker shows to this principal. With `ids_by_centre` the centre is added to the id
        of each specimen.
        """
        self._store, self._producer, self._journal, self._topics = store, producer, journal, topics
        self._ids_by_centre = ids_by_centre
        self.stop = threading.Event()

    def push(self, images: Iterable[PushImage], parallel: int) -> Generator[PushResult]:
        """Yield a result for every image, in the order in which they finish.

        Closed early (Ctrl-C), it finishes the images in flight and starts no others. Raises Retriable if a server
        stays away for several tries; a later run continues from there.
        """
        self.stop.clear()
        with ThreadPoolExecutor(parallel, thread_name_prefix="push") as pool:
            todo = iter(images)
            running: set[Future[PushResult]] = set()
            try:
                while True:
                    while len(running) < 2 * parallel and (image := next(todo, None)) is not None:
                        running.add(pool.submit(self._push, image))
                    if not running:
                        return
                    finished, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        yield future.result()
            finally:
                self.stop.set()
                pool.shutdown(cancel_futures=True)

    def _push(self, image: PushImage) -> PushResult:
        try:
            if self._journal.has(image):
                return PushResult(image, "done_before")
            data = self._read(image)
            event = _event(image, self._store.bucket, hashlib.sha256(data).hexdigest())
            if self._ids_by_centre:
                event = _with_centre(event)
            retry_until_stopped(lambda: self._store.put(original_key(event.sha256 or ""), data), self.stop)
            retry_until_stopped(lambda: self._announce(event), self.stop)
        except Rejected as rejected:
            return PushResult(image, "failed", reason=rejected.reason, message=rejected.message)
        self._journal.add(image, event.event_id)
        return PushResult(image, "pushed", event.event_id, event.image_uri)

    def _read(self, image: PushImage) -> bytes:
        """Read the source; if its server stays away, only this image fails. Our own store stops the whole run."""
        try:
            return retry_until_stopped(image.source.read, self.stop)
        except Retriable as error:
            if self.stop.is_set():
                raise
            raise Rejected(SOURCE_AWAY, str(error)) from error

    def _announce(self, event: ImageEvent) -> None:
        with translated("announce an image"):
            future = self._producer.send(self._topic(event.centre), key=event.key.encode(), value=event.encode())
            future.get(timeout=_ACKNOWLEDGED_SECONDS)

    def _topic(self, centre: str) -> str:
        """Return the centre's own topic if it has one, else the topic of all centres."""
        own = CENTRE_IMAGES.of(centre).name
        return own if own in self._topics else IMAGES.name


def _with_centre(event: ImageEvent) -> ImageEvent:
    """Return the event with the centre in its id; the centre's own id is kept, so that every command finds it."""
    own, full = event.biological_sample_id, id_by_centre(event.centre, event.biological_sample_id)
    metadata = event.metadata if own == full else {"specimen": own} | event.metadata
    try:
        return ImageEvent.model_validate(dict(event) | {"biological_sample_id": full, "metadata": metadata})
    except ValidationError as error:
        raise _invalid(error) from error


def _event(image: PushImage, bucket: str, sha256: str) -> ImageEvent:
    """Build the event; raises Rejected `digest_mismatch`, or `event_invalid` for a value that no event may carry."""
    if image.sha256 not in {None, sha256}:
        raise Rejected("digest_mismatch", f"the manifest states sha256 {image.sha256}, the file has {sha256}")
    try:
        return ImageEvent(
            biological_sample_id=image.biological_sample_id,
            centre=image.centre,
            parameter_stable_id=image.parameter_stable_id,
            image_uri=f"s3://{bucket}/{original_key(sha256)}",
            sha256=sha256,
            increment=image.increment,
            acquired_at=image.acquired_at,
            animal=image.animal,
            metadata={"file_name": image.source.file_name, **image.metadata},
            produced_at=now(),
        )
    except ValidationError as error:
        raise _invalid(error) from error


def _invalid(error: ValidationError) -> Rejected:
    problems = "; ".join(f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors())
    return Rejected("event_invalid", problems)
