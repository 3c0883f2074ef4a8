"""One name for each request, in every log line, in the audit and in the answer's header X-Request-Id."""

from __future__ import annotations

import re
from uuid import uuid4

from flask import Flask, Response, request

from cds_service.logs import correlation

HEADER = "X-Request-Id"
# What a caller may choose: no spaces, no markup, nothing that could hold a sentence.
_GOOD = re.compile(r"[A-Za-z0-9._:-]{1,64}")


def follow(app: Flask) -> None:
    """Name each request: as the caller does, if the name is a plain one, else anew."""

    @app.before_request
    def name() -> None:
        given = request.headers.get(HEADER, "")
        correlation.set(given if _GOOD.fullmatch(given) else uuid4().hex)

    @app.after_request
    def tell(response: Response) -> Response:
        response.headers[HEADER] = correlation.get()
        return response

    @app.teardown_request
    def forget(_error: BaseException | None) -> None:
        correlation.set("")
