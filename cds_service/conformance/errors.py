"""Lines S: errors, time, CORS, extensions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from statistics import median

from cds_service.conformance.checklist import Level, line
from cds_service.conformance.stage import Stage
from cds_service.simulate import UNSIGNED

_LIMIT_MS = 500
_CALLS = 5
_KEY = re.compile(r"[a-z][a-z0-9-]*(\.[A-Za-z0-9_-]+)+")
_TRACE = re.compile(rb"Traceback|at [\w.$]+\([\w.]+:\d+\)|\.py\", line|Exception in|stack trace", re.IGNORECASE)


@line("S1", Level.SHOULD, "An error other than 401 carries an OperationOutcome (3.0)")
def outcomes(stage: Stage) -> Iterator[str]:
    """400 and 404."""
    service = stage.some_service()
    for what, answer in (("400", stage.ehr.call(service["id"], {})), ("404", stage.ehr.call("no-such-service-here", stage.body()))):
        value = answer.json
        if not isinstance(value, dict) or value.get("resourceType") != "OperationOutcome" or not value.get("issue"):
            yield f"the answer {answer.status} (expected {what}) carries none"


@line("S1a", Level.HOUSE, "A wrong call is never a 5xx, and no answer holds a stack trace")
def no_defects(stage: Stage) -> Iterator[str]:
    """Odd bodies."""
    service = stage.some_service()
    path = f"/cds-services/{service['id']}"
    bodies = (b"", b"null", b"[]", b'"x"', b"[" * 100_000, b"\xff\xfe", b'{"hook": 1e400}', b'{"hook": NaN}', b'{"hook": "\\ud800"}')
    for raw in bodies:
        answer = stage.ehr.send("POST", path, raw=raw)
        if answer.status >= 500:
            yield f"the body {raw[:20]!r} is answered with {answer.status}"
        if _TRACE.search(answer.body):
            yield f"the answer to {raw[:20]!r} holds a stack trace"


@line("S2", Level.HOUSE, "CORS: explicit origins only; Authorization and Content-Type allowed for them")
def cors(stage: Stage) -> Iterator[str]:
    """A foreign page isn't let in; one that is registered (--cors-origin) is."""
    path = f"/cds-services/{stage.some_service()['id']}"
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    foreign = stage.ehr.send("OPTIONS", path, token=UNSIGNED, headers=asked | {"Origin": "https://attacker.example"})
    if foreign.headers.get("Access-Control-Allow-Origin") in ("*", "https://attacker.example"):
        yield f"a foreign origin is allowed ({foreign.headers['Access-Control-Allow-Origin']})"
    if not stage.cors_origin:
        return
    known = stage.ehr.send("OPTIONS", path, token=UNSIGNED, headers=asked | {"Origin": stage.cors_origin})
    allowed = known.headers.get("Access-Control-Allow-Headers", "").lower()
    if known.headers.get("Access-Control-Allow-Origin") != stage.cors_origin or "authorization" not in allowed or "content-type" not in allowed:
        yield f"the preflight from {stage.cors_origin} isn't allowed both headers"


@line("S3", Level.SHOULD, "About 500 ms a call")
def in_time(stage: Stage) -> Iterator[str]:
    """The median of five calls of each service."""
    for service in stage.services():
        took = median(stage.ehr.call(service["id"], stage.body(service)).milliseconds for _ in range(_CALLS))
        if took > _LIMIT_MS:
            yield f"{service['id']}: {took:.0f} ms"


@line("S4", Level.SHALL, "extension is an object with reverse-DNS keys")
def extensions(stage: Stage) -> Iterator[str]:
    """At the response, and at the services."""
    holders = [*((id, a.json) for id, a in stage.answers()), *((s["id"], s) for s in stage.services())]
    for id, holder in holders:
        if not isinstance(holder, dict) or "extension" not in holder:
            continue
        extension = holder["extension"]
        if not isinstance(extension, dict):
            yield f"{id}: extension is no object"
        else:
            yield from (f"{id}: the key {key}" for key in extension if not _KEY.fullmatch(str(key)))
