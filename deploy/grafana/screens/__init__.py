"""The dashboards."""

from typing import Final

from deploy.grafana.screen import Screen
from deploy.grafana.screens.centres import CENTRES
from deploy.grafana.screens.models import MODELS
from deploy.grafana.screens.pipeline import PIPELINE

SCREENS: Final[tuple[Screen, ...]] = (PIPELINE, CENTRES, MODELS)
