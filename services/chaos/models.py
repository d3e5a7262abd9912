"""Promotes a second version of a model and returns to the first, in turn, while specimens are called."""

import shutil
from contextlib import closing
from pathlib import Path
from typing import Final

from services.common.errors import Fatal
from services.common.model_card import ModelCard
from services.common.settings import Settings
from services.registry.admit import add_version
from services.registry.promote import promote, roll_back
from services.registry.register import current
from services.registry.repository import FILE, ModelRepository
from services.registry.triton_client import connect

_WHO: Final = "xray chaos"


class ModelSwitch:
    """Two sets of versions that differ in the version of one model; the second has the same weights as the first."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        """Add the second version; `folder` holds it until then. Raises Fatal if nothing is active."""
        self._settings = settings
        self.repository = ModelRepository(settings.model_repository)
        active = current(settings)
        if active is None:
            raise Fatal("no model version is active; run `xray init`")
        self._model, first = min(active.versions.items())
        self._second, self._promoted = max(self.repository.versions(self._model)) + 1, False
        self.activation = active.activation
        self._add(folder, first)

    def switch(self) -> int:
        """Promote the second version, or return to the first; returns the number of the new activation."""
        with closing(connect(self._settings)) as client:
            if self._promoted:
                record = roll_back(self._settings, client, why="the other set", who=_WHO)
            else:
                chosen = {self._model: self._second}
                record = promote(self._settings, client, self.repository, chosen, why="the other set", who=_WHO)
        self._promoted, self.activation = not self._promoted, record.activation
        return self.activation

    def _add(self, folder: Path, first: int) -> None:
        """Write the first version under the second's number into a repository of its own, and add it from there."""
        copied = folder / self._model
        shutil.rmtree(folder, ignore_errors=True)
        copied.mkdir(parents=True)
        shutil.copyfile(self.repository.folder(self._model) / FILE, copied / FILE)
        shutil.copytree(self.repository.folder(self._model, first), copied / str(self._second))
        card = ModelCard.model_validate_json(self.repository.card_text(self._model, first) or "")
        text = card.model_copy(update={"version": self._second}).model_dump_json()
        source = ModelRepository(folder)
        source.put_card(self._model, self._second, text)
        add_version(source, self.repository, self._model, self._second)
