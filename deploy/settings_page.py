"""Write docs/settings.md from the settings classes: `python -m deploy.settings_page`."""

from pathlib import Path
from typing import Final

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from services.common.settings import ServiceSettings, Settings
from services.intake.settings import IntakeSettings, Limits
from services.monitor.settings import MonitorSettings

PAGE: Final = Path(__file__).parents[1] / "docs" / "settings.md"
_SECTIONS: Final[tuple[tuple[str, type[BaseSettings], type[BaseSettings] | None], ...]] = (
    ("Every command and service", Settings, None),
    ("Every service", ServiceSettings, Settings),
    ("intake", IntakeSettings, ServiceSettings),
    ("intake: limits", Limits, None),
    ("monitor", MonitorSettings, ServiceSettings),
)


def page() -> str:
    """Return the page: one table per class, with only the settings that it adds to its base class."""
    parts = [
        "# Settings",
        "",
        "All settings are environment variables. A wrong value stops the process with a message that names it.",
        "`python -m deploy.settings_page` generates this page.",
    ]
    for title, settings, base in _SECTIONS:
        inherited = {name for name in base.model_fields if name not in settings.__annotations__} if base else set()
        rows = [_row(settings, name) for name in settings.model_fields if name not in inherited]
        parts += ["", f"## {title}", "", "| variable | default | meaning |", "| --- | --- | --- |", *rows]
    return "\n".join(parts) + "\n"


def _row(settings: type[BaseSettings], name: str) -> str:
    field = settings.model_fields[name]
    prefix = settings.model_config.get("env_prefix", "")
    default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    shown = "(none)" if default == "" else f"`{default}`"
    return f"| `{prefix}{name.upper()}` | {shown} | {' '.join((field.description or '').split())} |"


if __name__ == "__main__":
    PAGE.write_text(page())
