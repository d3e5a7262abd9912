"""aiokafka, Faust's Kafka client, with the promises that kafka-python's clients keep (`services/common/kafka`).

It reads no record of an aborted transaction, one unreadable record costs only itself, and no batch takes much memory.
Faust has an option for none of these, so this module depends on internals of Faust 0.15 and aiokafka 0.14, which
tests/monitor/test_client.py checks.
"""

from typing import Any, Final

from aiokafka.consumer import fetcher
from faust.transport.drivers import aiokafka as driver

from services.common.kafka.batches import Batches
from services.common.kafka.fetching import record_bytes

BUFFERED_RECORDS: Final = 64
"""Most records that Faust takes at once, and keeps until they are counted. An event has at most 1 MiB."""
_LibraryRecords: Final[Any] = fetcher.PartitionRecords


class FaustPartitionRecords(_LibraryRecords):  # type: ignore[misc]  # aiokafka has no types
    """The records in the answer to a fetch of one partition, none larger than its topic allows."""

    def __init__(self, tp: Any, records: Batches, *options: Any) -> None:
        """Take aiokafka's own arguments."""
        records.limit(record_bytes(tp.topic))
        super().__init__(tp, records, *options)


class _Thread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"
        return consumer


class _Consumer(driver.Consumer):
    def _new_consumer_thread(self) -> Any:
        return _Thread(self, loop=self.loop, beacon=self.beacon)


class FaustTransport(driver.Transport):
    """Faust's transport with this consumer."""

    Consumer = _Consumer


def install(app: Any) -> Any:
    """Have a new Faust app read topics this way, and return the app. The reader of batches is this process's."""
    fetcher.MemoryRecords = Batches
    fetcher.PartitionRecords = FaustPartitionRecords
    app.transport = FaustTransport(app.conf.broker_consumer, app)
    return app
