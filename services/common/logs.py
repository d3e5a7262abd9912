"""JSON logs on standard error: one object a line, with the stage on every line."""

from __future__ import annotations

import logging
import sys
from typing import Final

import structlog

_KAFKA_SECONDS: Final = 10.0


class _KafkaRepeats(logging.Filter):
    """Let one message of the Kafka client through every ten seconds: without a broker it sends many a second."""

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


def configure(stage: str, level: str) -> None:
    """Send structlog's and the libraries' messages through one JSON formatter."""
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
    handler.addFilter(_KafkaRepeats())
    logging.getLogger("kafka").setLevel(logging.ERROR)
    for noisy in ("botocore", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(stage=stage)
