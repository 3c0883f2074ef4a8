"""The token endpoint and its metadata (RFC 6749, RFC 8414)."""

from __future__ import annotations

import json
import logging

from flask import Blueprint, Response, jsonify, request

from cds_service.access import Gate, Refused
from cds_service.access.gate import TOKEN_PATH
from cds_service.access.tokens import SCOPES
from cds_service.access.verification import ALGORITHMS

_LOG = logging.getLogger(__name__)
_LARGEST_FORM = 20_000


def blueprint(gate: Gate) -> Blueprint:
    """Return the routes of OAuth 2.0."""
    routes = Blueprint("tokens", __name__)

    @routes.post(TOKEN_PATH)
    def token() -> Response:
        request.max_content_length = _LARGEST_FORM
        form = {name: values[0] for name, values in request.form.lists() if len(values) == 1}
        try:
            return jsonify(gate.tokens.answer(form))
        except Refused as error:
            _LOG.warning("no access token", extra={"fields": {"reason": error.reason, **error.told}})
            status = 401 if error.error == "invalid_client" else 400
            return Response(json.dumps({"error": error.error, "error_description": error.words}), status, content_type="application/json")

    @routes.get("/.well-known/oauth-authorization-server")
    def metadata() -> Response:
        return jsonify(
            {
                "issuer": gate.tokens.settings.public_url,
                "token_endpoint": gate.tokens.token_url,
                "grant_types_supported": ["client_credentials"],
                "response_types_supported": [],
                "scopes_supported": sorted(SCOPES),
                "token_endpoint_auth_methods_supported": ["private_key_jwt"],
                "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
            }
        )

    return routes
