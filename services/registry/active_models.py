"""Which model versions serve: the newest sound record on `models.active`, followed without a restart."""

import structlog

from services.common.errors import Fatal, Rejected
from services.common.events import ModelActivation, parse_event
from services.common.events.model import SERVING_SET, SHADOW_SET
from services.common.kafka.reading import TopicFollower
from services.common.settings import Settings
from services.common.topics import ACTIVE_MODELS

log = structlog.get_logger()


class ActiveModels:
    """Reads all of `models.active` at first, then what is new at each call, up to its end at that moment.

    A record that does not follow from the record before it (`follows`) is ignored, whoever wrote it: the last sound
    set keeps serving, the next promotion or rollback starts from it, and `ignored` counts such records.
    """

    def __init__(self, settings: Settings) -> None:
        """Prepare; connects at the first read."""
        self._topic = TopicFollower(settings, ACTIVE_MODELS.name)
        self._newest: dict[str, ModelActivation] = {}
        self._seen: dict[int, int] = {}
        self.ignored = 0

    def refresh(self) -> ModelActivation:
        """Return the activation in force; raises Fatal when there is none, and as `update` does."""
        self.update()
        if self.serving is None:
            msg = f"{ACTIVE_MODELS.name} names no model version; run `xray init`"
            raise Fatal(msg)
        return self.serving

    def update(self) -> None:
        """Read what is new; raises Retriable when Kafka is away, Fatal when the topic does not exist."""
        for record in self._topic.read():
            # A follower that lost its connection reads from the beginning: each record counts once.
            if record.offset < self._seen.get(record.partition, 0):
                continue
            self._take(record.value, record.offset)
            self._seen[record.partition] = record.offset + 1

    def _take(self, value: bytes | None, offset: int) -> None:
        try:
            activation = parse_event(ModelActivation, value)
        except Rejected as error:
            self._ignore(offset, str(error))
            return
        if follows(self._newest.get(activation.name), activation):
            self._newest[activation.name] = activation
        else:
            self._ignore(offset, f"{activation.name} {activation.activation} does not follow the record before it")

    def _ignore(self, offset: int, why: str) -> None:
        self.ignored += 1
        log.error("record of models.active ignored", offset=offset, why=why)

    @property
    def serving(self) -> ModelActivation | None:
        """The activation in force as of the last update."""
        return self._newest.get(SERVING_SET)

    @property
    def shadow(self) -> ModelActivation | None:
        """The newest record of a candidate in shadow as of the last update; its share is 0 after it was stopped."""
        return self._newest.get(SHADOW_SET)

    def close(self) -> None:
        """Disconnect."""
        self._topic.close()


def follows(before: ModelActivation | None, record: ModelActivation) -> bool:
    """Return whether a record can be the next one after `before`, the last sound record of the same name.

    The first record, and every later one, pins a card of each version. A later one has the next number. In the set
    that makes the calls, it is either a promotion, which keeps every model and stands `before` first among the earlier
    sets, or a rollback to the first of these.
    """
    if record.name not in {SERVING_SET, SHADOW_SET} or not record.cards.keys() >= record.versions.keys():
        return False
    if before is None:
        return True
    if record.activation != before.activation + 1:
        return False
    return record.name == SHADOW_SET or _is_promotion(before, record) or _is_rollback(before, record)


def _is_promotion(before: ModelActivation, record: ModelActivation) -> bool:
    return record.earlier[:1] == (before.as_earlier(),) and record.versions.keys() >= before.versions.keys()


def _is_rollback(before: ModelActivation, record: ModelActivation) -> bool:
    if not before.earlier:
        return False
    target, *rest = before.earlier
    same_set = (record.versions, record.cards, record.set_card) == (target.versions, target.cards, target.set_card)
    return same_set and record.earlier == tuple(rest)
