"""structlog: to the console for people, to a bounded file as JSON for machines; no secret, no name of a patient.

Both are written by a thread of their own: a disk or a terminal that hangs must not hang who supervises.
"""

import logging
import logging.handlers
import queue
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import structlog

FILE_BYTES = 5_000_000
FILES_KEPT = 4
WAITING = 10_000
"""Lines that may wait for what they are written to; what comes then is counted instead."""
WRITTEN_S = 1.0
"""How long what waits may take when everything is to be written, and at the end."""


def configure(*, level: str, json_file: Path | None) -> None:
    """Set up logging once, at the start of a process. level: debug, info, warning, error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, _caught, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handlers = [_console(shared)] if json_file is None else [_console(shared), _file(json_file, shared)]
    logging.basicConfig(level=level.upper(), handlers=[Behind(handlers)], force=True)
    for noisy in ("pymodbus", "mqtt", "aiomqtt", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL if noisy == "pymodbus" else logging.WARNING)


class Behind(logging.Handler):
    """Hands lines to handlers that a thread runs, at most WAITING of them; never waits, but to be flushed or closed.

    dropped: lines that found no room since the thread last had some; it then says how many.
    """

    def __init__(self, handlers: Sequence[logging.Handler]) -> None:
        super().__init__()
        self._handlers = tuple(handlers)
        self._waiting: queue.Queue[logging.LogRecord | threading.Event | None] = queue.Queue(WAITING)
        self.dropped = 0
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line; count it where there is no room."""
        try:
            self._waiting.put_nowait(record)
        except queue.Full:
            self.dropped += 1

    def flush(self) -> None:
        """Wait until what was taken is written, at most WRITTEN_S."""
        written = threading.Event()
        with suppress(queue.Full):
            self._waiting.put(written, timeout=WRITTEN_S)
            written.wait(WRITTEN_S)

    def close(self) -> None:
        """Write what can be written within WRITTEN_S, and end."""
        with suppress(queue.Full):
            self._waiting.put(None, timeout=WRITTEN_S)
            self._thread.join(WRITTEN_S)
        if not self._thread.is_alive():
            for handler in self._handlers:
                handler.close()
        super().close()

    def _write(self) -> None:
        while (line := self._waiting.get()) is not None:
            if isinstance(line, threading.Event):
                line.set()
                continue
            lost, self.dropped = self.dropped, 0
            for told in (_lost(lost), line) if lost else (line,):
                for handler in self._handlers:
                    handler.handle(told)


def _lost(count: int) -> logging.LogRecord:
    text = f"{count} lines were not written: what they go to was too slow"
    return logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, None, None)


def _caught(_logger: object, _method: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Take up the exception where it was caught: the thread that writes knows of none."""
    if line.get("exc_info") is True:
        line["exc_info"] = sys.exc_info()
    return line


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
