"""Logs as JSON lines. Of an exception only its type and the places in the code are told: its text may quote a note."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import threading
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

_LOG = logging.getLogger(__name__)
correlation: ContextVar[str] = ContextVar("correlation", default="")  # names the request that is being answered, in every line and in the audit


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object; `extra={"fields": {...}}` adds members."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if named := correlation.get():
            line["request"] = named
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1]:
            line |= told_of(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False, default=str)


def told_of(error: BaseException) -> dict[str, object]:
    """Return what a log may hold of an exception: its type and the places in the code, never its text."""
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    return {"error": type(error).__name__, "at": [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames]}


def log_to_stderr(level: int = logging.INFO) -> None:
    """Send all logs of the process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)


def crash_without_words() -> None:
    """Have what nobody catches end in a log line without its text, in every thread, and leave no core dump: memory holds notes."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # no such limits on this system
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.excepthook = _tell_crash
    threading.excepthook = lambda told: _tell_crash(told.exc_type, told.exc_value, told.exc_traceback)
    sys.unraisablehook = lambda told: _tell_crash(told.exc_type, told.exc_value, told.exc_traceback)


def _tell_crash(kind: type[BaseException], error: BaseException | None, at: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt | SystemExit):
        _LOG.critical("crashed", extra={"fields": told_of((error or kind()).with_traceback(at))})
