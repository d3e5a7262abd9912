"""JSON logs on standard error: one object per line, each with the stage."""

import json
import logging
import sys
from collections.abc import Iterable, Mapping
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from typing import Any, Final

import structlog

_KAFKA_SECONDS: Final = 10.0


class _KafkaRepeats(logging.Filter):
    """Pass one message of the Kafka client every ten seconds: without a broker it logs many per second."""

    def __init__(self) -> None:
        super().__init__()
        self._last = -_KAFKA_SECONDS

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith("kafka."):
            return True
        due = record.created - self._last >= _KAFKA_SECONDS
        if due:
            self._last = record.created
        return due


_encode: Final = json.JSONEncoder(ensure_ascii=False).encode
_handlers: list[tuple[str, logging.StreamHandler[Any]]] = []
"""The stage and its only handler, after `configure` was called."""


def write_many(entries: Iterable[Mapping[str, Any]]) -> None:
    """Write many lines of level info at once: the same lines as from `log.info`, at a fraction of the cost.

    Like `log.info`, it loses lines rather than raise when they cannot be written: a full disk must stop no service.
    """
    for stage, handler in _handlers:
        if not logging.getLogger().isEnabledFor(logging.INFO):
            return
        common = {"stage": stage, "level": "info", "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z")}
        lines = "".join(_encode({**entry, **common}) + "\n" for entry in entries)
        with handler.lock or nullcontext(), suppress(OSError):
            handler.stream.write(lines)
            handler.flush()


def configure(stage: str, level: str) -> None:
    """Format the messages of structlog and of the libraries as JSON."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, structlog.processors.format_exc_info],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    _handlers[:] = [(stage, handler)]
    handler.addFilter(_KafkaRepeats())
    logging.getLogger("kafka").setLevel(logging.ERROR)
    for noisy in ("botocore", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(stage=stage)
