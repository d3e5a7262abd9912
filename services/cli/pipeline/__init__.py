"""All services as child processes of one supervisor: for `xray demo`, `xray bench` and the crash tests."""

from services.cli.pipeline.processes import SERVICES, Processes

__all__ = ["SERVICES", "Processes"]
