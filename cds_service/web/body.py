"""Request bodies as JSON values."""

from __future__ import annotations

import json
from typing import NoReturn

from flask import request

from cds_service.errors import RequestError


def json_body() -> object:
    """Return the body of the current request.

    Raises:
        RequestError: the body isn't JSON, or holds text that is no Unicode.
    """
    raw = request.get_data(cache=False)
    if not raw.strip():
        raise RequestError("The body is empty.", "Send a JSON object.")
    try:
        value = json.loads(raw, parse_constant=_no_constant)
        if b"\\u" in raw:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise RequestError("The body is not UTF-8.", "Encode the JSON body as UTF-8.") from error
    except UnicodeEncodeError as error:
        raise RequestError("The body holds half of a surrogate pair, which is no character.", "Escape characters beyond U+FFFF as a pair.") from error
    except RecursionError as error:
        raise RequestError("The body is nested too deeply.", "Send plain FHIR JSON.") from error
    except json.JSONDecodeError as error:
        raise RequestError(f"The body is not JSON (line {error.lineno}, column {error.colno}).", "Send a JSON object.") from error
    except ValueError as error:  # Python refuses whole numbers of more than 4,300 digits: reading them takes time
        raise RequestError("The body holds a number of thousands of digits.", "Send numbers that a measurement can have.") from error
    return value


def _no_constant(name: str) -> NoReturn:
    raise RequestError(f"The body holds {name}, which is not JSON.", "Leave the value out.")
