"""`python -m deploy.grafana`: write the JSON of the dashboards, with which Grafana is provisioned."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from deploy.grafana.build import dashboard_json
from deploy.grafana.screens import SCREENS

FOLDER: Final = Path(__file__).with_name("dashboards")


def generated() -> dict[Path, str]:
    """Return the expected content of each file."""
    return {FOLDER / f"{screen.title.lower()}.json": dashboard_json(screen) for screen in SCREENS}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, text in generated().items():
        path.write_text(text)
