"""A broker that is too slow is away, not a mistake of the program."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaError

from services.common.kafka.reading import partitions_of, position_of

WHERE = TopicPartition("xray.images", 3)


@dataclass
class Answer:
    """A consumer that has one answer."""

    known: int | None

    def position(self, where: TopicPartition) -> int | None:
        assert where == WHERE
        return self.known

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return None if self.known is None else {2, 0, 1}


def test_a_known_position_is_returned_also_the_first() -> None:
    assert [position_of(Answer(known), WHERE) for known in (0, 7)] == [0, 7]


def test_an_unknown_one_is_an_error_that_services_wait_out() -> None:
    with pytest.raises(KafkaError, match=r"position in xray\.images 3 in time"):
        position_of(Answer(None), WHERE)
    with pytest.raises(KafkaError, match=r"partitions of xray\.images in time"):
        partitions_of(Answer(None), "xray.images")


def test_partitions_come_in_order() -> None:
    assert [where.partition for where in partitions_of(Answer(0), "xray.images")] == [0, 1, 2]
