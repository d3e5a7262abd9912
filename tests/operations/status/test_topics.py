from __future__ import annotations

from kafka import TopicPartition

from services.assembler.service import Assembler
from services.classifier.service import Classifier
from services.cli.run import Service
from services.fuser.service import Fuser
from services.intake.service import Intake
from services.monitor.counter import READS as MONITOR_READS
from services.monitor.counter import STAGE as MONITOR
from services.operations.processes import SERVICES
from services.operations.status import READS, _lag
from services.sink.service import Sink


def test_the_topics_of_each_service_are_those_it_reads() -> None:
    handlers = (Intake, Assembler, Fuser, Classifier, Sink)
    reads = {handler.stage: tuple(handler.inputs) for handler in handlers}
    assert reads | {MONITOR: tuple(MONITOR_READS)} == READS
    assert tuple(READS) == SERVICES == tuple(service.value for service in Service if service is not Service.ALL)


def test_lag_starts_at_what_is_kept_where_nothing_was_committed() -> None:
    one, two, other = TopicPartition("t", 0), TopicPartition("t", 1), TopicPartition("u", 0)
    ends, beginnings = {one: 10, two: 10, other: 99}, {one: 4, two: 4, other: 0}
    assert _lag("t", {}, beginnings, ends) == 12
    assert _lag("t", {one: 10}, beginnings, ends) == 6
    assert _lag("t", {one: 10, two: 2}, beginnings, ends) == 6  # what was deleted does not wait
    assert _lag("t", {one: 10, two: -1}, beginnings, ends) == 6  # the broker's word for nothing committed
