"""All services as child processes of one supervisor: for `xray demo`, `xray bench` and the crash tests."""

from services.operations.pipeline.processes import PIPELINE, SERVICES, Processes

__all__ = ["PIPELINE", "SERVICES", "Processes"]
