"""Which model versions serve: the newest record on `models.active`, followed without a restart."""

from services.common.errors import Fatal, Rejected
from services.common.events import ModelActivation, parse_event
from services.common.events.model import SERVING_SET, SHADOW_SET
from services.common.kafka.reading import TopicFollower
from services.common.settings import Settings
from services.common.topics import ACTIVE_MODELS


class ActiveModels:
    """Reads all of `models.active` at first, then what is new at each call, up to its end at that moment."""

    def __init__(self, settings: Settings) -> None:
        """Prepare; connects at the first read."""
        self._topic = TopicFollower(settings, ACTIVE_MODELS.name)
        self._newest: dict[str, ModelActivation] = {}

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
            try:
                activation = parse_event(ModelActivation, record.value)
            except Rejected:
                continue  # a tombstone or a record of a newer schema does not change what serves
            known = self._newest.get(activation.name)
            if known is None or activation.activation > known.activation:
                self._newest[activation.name] = activation

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
