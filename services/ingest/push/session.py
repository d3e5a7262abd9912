"""The servers and the journal of one run that pushes images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from services.common.kafka.clients import administrator, publisher
from services.common.settings import Settings
from services.common.store import ObjectStore
from services.ingest.push.journal import Journal, default_folder
from services.ingest.push.upload import Uploader


@dataclass(frozen=True)
class Session:
    """What a run works with; `cluster` is the id of the Kafka cluster, to which the journal belongs."""

    store: ObjectStore
    uploader: Uploader
    cluster: str


@contextmanager
def session(settings: Settings, parallel: int, *, again: bool = False) -> Iterator[Session]:
    """Check the bucket, connect to the broker and open the cluster's journal; `again` ignores what it holds."""
    store = ObjectStore(settings, connections=parallel)
    store.check_bucket()
    with administrator(settings) as admin:
        cluster: str = admin.describe_cluster()["cluster_id"]
    path = default_folder() / f"pushed-{cluster}.jsonl"
    with publisher(settings) as producer, Journal(path, again=again) as journal:
        yield Session(store, Uploader(store, producer, journal), cluster)
