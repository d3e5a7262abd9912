"""Policies of the topics that cannot be seen from a single service."""

from services.common.topics import STATISTICS, TOPICS


def test_a_topic_is_compacted_only_if_the_last_record_of_a_key_is_the_one_that_counts() -> None:
    """Calls and activations are ranked: a record that comes late must not remove the one that counts."""
    assert [topic for topic in TOPICS if "compact" in topic.config["cleanup.policy"]] == [STATISTICS]
