from kafka import TopicPartition

from services.cli.run import Service
from services.common.topology import SERVICES
from services.operations.status import _lag


def test_the_command_offers_the_services_of_the_table() -> None:
    assert tuple(service.value for service in Service if service is not Service.ALL) == SERVICES


def test_without_a_commit_lag_starts_at_the_oldest_kept_record() -> None:
    one, two, other = TopicPartition("t", 0), TopicPartition("t", 1), TopicPartition("u", 0)
    ends, beginnings = {one: 10, two: 10, other: 99}, {one: 4, two: 4, other: 0}
    assert _lag("t", {}, beginnings, ends) == 12
    assert _lag("t", {one: 10}, beginnings, ends) == 6
    assert _lag("t", {one: 10, two: 2}, beginnings, ends) == 6  # deleted records are not waiting
    assert _lag("t", {one: 10, two: -1}, beginnings, ends) == 6  # the broker's value for "nothing committed"
