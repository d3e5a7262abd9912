"""Which model versions serve: the newest sound record on `models.active`, followed without a restart."""

from services.common.errors import Fatal
from services.common.events import ModelActivation
from services.common.events.model import SERVING_SET, SHADOW_SET
from services.common.settings import Settings
from services.common.topics import ACTIVE_MODELS
from services.registry.activations import ActivationFollower


class ActiveModels(ActivationFollower[ModelActivation]):
    """Follows `models.active`. The last sound set keeps serving, whatever is written after it (`follows`)."""

    def __init__(self, settings: Settings) -> None:
        """Prepare; connects at the first read."""
        super().__init__(settings, ACTIVE_MODELS, ModelActivation, follows)

    def refresh(self) -> ModelActivation:
        """Return the activation in force; raises Fatal when there is none, and as `update` does."""
        self.update()
        if self.serving is None:
            msg = f"{ACTIVE_MODELS.name} names no model version; run `xray init`"
            raise Fatal(msg)
        return self.serving

    @property
    def serving(self) -> ModelActivation | None:
        """The activation in force as of the last update."""
        return self.newest(SERVING_SET)

    @property
    def shadow(self) -> ModelActivation | None:
        """The newest record of a candidate in shadow as of the last update; its share is 0 after it was stopped."""
        return self.newest(SHADOW_SET)


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
