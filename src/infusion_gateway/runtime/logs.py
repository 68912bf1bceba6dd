"""structlog: to the console for people, to a bounded file as JSON for machines; no secret, no name of a patient."""

import logging
import logging.handlers
import sys
from pathlib import Path

import structlog

FILE_BYTES = 5_000_000
FILES_KEPT = 4


def configure(*, level: str, json_file: Path | None) -> None:
    """Set up logging once, at the start of a process. level: debug, info, warning, error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handlers: list[logging.Handler] = [_console(shared)]
    if json_file is not None:
        handlers.append(_file(json_file, shared))
    logging.basicConfig(level=level.upper(), handlers=handlers, force=True)
    for noisy in ("pymodbus", "mqtt", "aiomqtt", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL if noisy == "pymodbus" else logging.WARNING)


def _console(shared: list[structlog.typing.Processor]) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(),
        exception_formatter=structlog.dev.plain_traceback,  # one with locals would hold values
    )
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    return handler


def _file(path: Path, shared: list[structlog.typing.Processor]) -> logging.Handler:
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=FILE_BYTES, backupCount=FILES_KEPT, delay=True)
    chain: list[structlog.typing.Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=chain, foreign_pre_chain=shared))
    return handler
