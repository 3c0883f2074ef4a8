"""Opening documents that could hold a trap in a process of its own, which has a limit of time and of memory.

A PDF of half a kilobyte can stand for half a gigabyte, and an HTML of a megabyte can keep a parser busy for minutes. No parser can be
stopped from within, but a process can be ended from outside. Plain text, and small HTML, RTF and XML, are opened at once: they can't
cost more than some ten milliseconds.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from fhir_mappers.errors import BadResource
from fhir_mappers.notes.formats import extract, media_type
from fhir_mappers.notes.plaintext import PlainText
from fhir_mappers.record import SectionSpan

SMALL = 50_000  # bytes that are opened at once
LONGEST_S = 5.0  # for one document, where nobody waits
_LEAST_S = 0.5  # a document whose turn came before the time was over is given this much
_START_S = 20.0  # for the process to be there
_LARGEST_REPLY = 200_000_000
# The process needs the readers of documents only: the package's own door would load all of FHIR, which takes seconds.
_START = (
    "import sys, types; package = types.ModuleType('fhir_mappers'); package.__path__ = [sys.argv[1]]; sys.modules['fhir_mappers'] = package; "
    "from fhir_mappers.notes.opening import main; main()"
)
_AT_ONCE = frozenset({"text/plain", "text/markdown"})


def open_document(data: bytes, content_type: str, until: float | None = None) -> PlainText:
    """Return the text of a document. `until` is the moment (`time.monotonic`) at which the caller wants to have it.

    Raises BadResource where it isn't read, is damaged or dangerous, or takes too long.
    """
    kind = media_type(content_type)[0]
    looks_like_pdf = b"%PDF-" in data[:1024]
    if not looks_like_pdf and (kind in _AT_ONCE or (len(data) <= SMALL and kind != "application/pdf")):
        return extract(data, content_type)
    seconds = LONGEST_S if until is None else min(LONGEST_S, max(_LEAST_S, until - time.monotonic()))
    return _openers().open(data, content_type, seconds)


def warm_up() -> None:
    """Have a process ready before the first document comes."""
    _openers().put_back(_Opener())


class _Opener:
    """One process that opens one document after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-c", _START, str(Path(__file__).parents[1])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            start_new_session=True,
        )
        self._ready = False

    def ask(self, data: bytes, content_type: str, seconds: float) -> dict[str, Any] | None:
        """Return the reply, or None where there was none in time: the process is then ended."""
        watch = threading.Timer(seconds + (0.0 if self._ready else _START_S), self.end)
        watch.daemon = True
        try:
            if self._process.stdin is None or self._process.stdout is None:
                return None
            if not self._ready:
                watch.start()
                self._ready = self._process.stdout.readline() == b"ready\n"
                watch.cancel()
                watch = threading.Timer(seconds, self.end)
                watch.daemon = True
            watch.start()
            self._process.stdin.write(json.dumps({"type": content_type, "size": len(data)}).encode() + b"\n" + data)
            self._process.stdin.flush()
            line = self._process.stdout.readline(_LARGEST_REPLY)
            reply = json.loads(line) if line.endswith(b"\n") else None
            return reply if isinstance(reply, dict) else None
        except (OSError, ValueError):
            return None
        finally:
            watch.cancel()

    def is_alive(self) -> bool:
        """Tell whether the process can take another document."""
        return self._process.poll() is None

    def end(self) -> None:
        """End the process."""
        with suppress(OSError):
            self._process.kill()

    def close(self) -> None:
        """End the process and its pipes."""
        self.end()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
        self._process.wait()


class _Openers:
    """The processes of this process. More are made as documents come at the same time; few are kept."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._idle: list[_Opener] = []
        self._lock = threading.Lock()

    def open(self, data: bytes, content_type: str, seconds: float) -> PlainText:
        with self._lock:
            opener = self._idle.pop() if self._idle else None
        try:
            opener = opener or _Opener()
        except OSError as error:  # no memory, or too many processes: the note is left, and named
            raise BadResource("There is no process to open the document in now.", "Try again later, or send the note as text/plain.") from error
        reply = opener.ask(data, content_type, seconds)
        if reply is None:
            opener.close()
            with suppress(OSError):
                self.put_back(_Opener())  # it is there when the next document comes
            raise BadResource("The document takes too much time or memory to open.", "Send the note as text/plain.")
        self.put_back(opener)
        if "error" in reply:
            raise BadResource(str(reply["error"]), str(reply["remedy"]))
        sections = tuple(SectionSpan(**s) for s in reply["sections"])
        return PlainText(str(reply["text"]), sections, tuple(str(r) for r in reply["remarks"]))

    def put_back(self, opener: _Opener) -> None:
        with self._lock:
            if opener.is_alive() and len(self._idle) < 4:
                self._idle.append(opener)
                return
        opener.close()

    def close(self) -> None:
        if os.getpid() != self.owner:
            return  # after a fork: they are the parent's
        with self._lock:
            idle, self._idle = self._idle, []
        for opener in idle:
            opener.close()


_kept: dict[int, _Openers] = {}
_kept_lock = threading.Lock()


def _openers() -> _Openers:
    """Return the processes of this process: after a fork the child makes its own."""
    with _kept_lock:
        if os.getpid() not in _kept:
            _kept[os.getpid()] = _Openers()
            atexit.register(_kept[os.getpid()].close)
        return _kept[os.getpid()]
