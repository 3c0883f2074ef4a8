"""The process that opens documents for `opener`: one line of JSON and the bytes come in, one line of JSON goes out."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from typing import IO, Any

from fhir_mappers.errors import BadResource
from fhir_mappers.notes.formats import extract
from fhir_mappers.record import SectionSpan

_MEMORY = 1_500_000_000  # bytes of address space


def _serve(source: IO[bytes], target: IO[bytes]) -> None:
    """Open what comes until the parent ends."""
    target.write(b"ready\n")
    target.flush()
    while line := source.readline(100_000):
        asked = json.loads(line)
        data = source.read(asked["size"])
        target.write(json.dumps(_reply(data, asked["type"])).encode("ascii") + b"\n")
        target.flush()


def _reply(data: bytes, content_type: str) -> dict[str, Any]:
    try:
        plain = extract(data, content_type)
    except BadResource as error:
        return {"error": error.message, "remedy": error.remedy}
    except Exception:  # noqa: BLE001 - whatever a parser makes of a damaged document, the parent is told, and lives
        return {"error": "The document can't be read.", "remedy": "Send it again, or send the note as text/plain."}
    sections = [{name: getattr(s, name) for name in SectionSpan.__slots__} for s in plain.sections]
    return {"text": plain.text, "sections": sections, "remarks": plain.remarks}


def main() -> None:
    """Serve, within limits that hold whatever comes."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold a note
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    _serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
