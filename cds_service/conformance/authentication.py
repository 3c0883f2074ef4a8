"""Lines J: client authentication. Every forged token must be refused, and a good one accepted."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

from joserfc.jwk import ECKey, KeyParameters, OctKey, RSAKey

from cds_service.conformance.checklist import Level, Skip, line
from cds_service.conformance.stage import Stage
from cds_service.simulate import Signer

_DISCOVERY = "/cds-services"


def _signer(stage: Stage) -> Signer:
    stage.signed()
    if stage.ehr.signer is None:
        raise Skip("calls aren't signed")
    return stage.ehr.signer


def _status(stage: Stage, token: str) -> int:
    return stage.ehr.send("GET", _DISCOVERY, token=token).status


def _refused(stage: Stage, what: str, *, audience: Any = None, **changes: Any) -> Iterator[str]:
    """Yield a problem where a token with these changes isn't refused."""
    status = _status(stage, _signer(stage).token(audience if audience is not None else stage.ehr.url(_DISCOVERY), **changes))
    if status != 401:
        yield f"{what}: answered with {status}"


def _raw(header: dict[str, Any], token: str, signature: str = "") -> str:
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
    return f"{head}.{token.split('.')[1]}.{signature}"


@line("J1", Level.SHALL, "A JWT on every call, feedback included, verified before the body is parsed")
def every_call(stage: Stage) -> Iterator[str]:
    """Without one, everything is 401, also a body that is no JSON."""
    _signer(stage)
    path = f"{_DISCOVERY}/{stage.some_service()['id']}"
    calls = {"discovery": ("GET", _DISCOVERY, None), "a call": ("POST", path, b"{"), "feedback": ("POST", f"{path}/feedback", b"{")}
    for what, (method, address, raw) in calls.items():
        for value in ("", "a.b.c"):
            status = stage.ehr.send(method, address, raw=raw, token=value).status
            if status != 401:
                yield f"{what} with the token '{value}' is answered with {status}"


@line("J2", Level.SHALL, "Header alg, kid, typ; payload iss, aud, exp, iat, jti")
def members(stage: Stage) -> Iterator[str]:
    """A token that lacks one is refused; a whole one is accepted."""
    status = stage.ehr.discovery().status
    if status != 200:
        yield f"a good token is answered with {status}"
    for name in ("typ", "kid"):
        yield from _refused(stage, f"without {name}", header={name: None})
    for name in ("iss", "aud", "exp", "iat", "jti"):
        yield from _refused(stage, f"without {name}", claims={name: None})


@line("J3", Level.SHALL, "none and symmetric algorithms are refused; ES384 and RS384 accepted")
def algorithms(stage: Stage) -> Iterator[str]:
    """Also where the public key itself is taken for the shared secret."""
    signer = _signer(stage)
    good = signer.token(stage.ehr.url(_DISCOVERY))
    for name in ("none", "None", "NONE"):
        status = _status(stage, _raw({"alg": name, "kid": signer.key.kid, "typ": "JWT"}, good))
        if status != 401:
            yield f"alg {name}: answered with {status}"
    public = OctKey.import_key(json.dumps(signer.key.as_dict(private=False)).encode(), {"kid": str(signer.key.kid)})
    for name in ("HS256", "HS384", "HS512"):
        yield from _refused(stage, f"alg {name}", key=public, algorithm=name)


@line("J4", Level.SHALL, "iss and jku are allow-listed before anything is fetched")
def allow_lists(stage: Stage) -> Iterator[str]:
    """An unknown issuer, an unknown address of keys."""
    yield from _refused(stage, "an unknown iss", claims={"iss": "https://attacker.example"})
    yield from _refused(stage, "an unknown jku", header={"jku": "https://attacker.example/jwks.json"})


@line("J5", Level.SHALL, "aud contains the URL of this endpoint, whatever the Host header says")
def audience(stage: Stage) -> Iterator[str]:
    """A string or an array."""
    signer, here = _signer(stage), stage.ehr.url(_DISCOVERY)
    if _status(stage, signer.token(["https://other.example", here])) != 200:
        yield "aud as an array that contains the URL is refused"
    foreign: tuple[Any, ...] = ("https://attacker.example/cds-services", stage.ehr.audience, f"{here}/{stage.some_service()['id']}", [])
    for wrong in foreign:
        yield from _refused(stage, f"aud {wrong!r}", audience=wrong)
    forged = signer.token("https://attacker.example/cds-services")
    status = stage.ehr.send("GET", _DISCOVERY, token=forged, headers={"Host": "attacker.example"}).status
    if status == 200:
        yield "the audience is taken from the Host header"


@line("J6", Level.SHALL, "exp is checked, jti remembered")
def time_and_replay(stage: Stage) -> Iterator[str]:
    """An old token, a token that was used."""
    now = int(time.time())
    yield from _refused(stage, "an expired token", claims={"iat": now - 1000, "exp": now - 600})
    token = _signer(stage).token(stage.ehr.url(_DISCOVERY))
    statuses = [_status(stage, token), _status(stage, token)]
    if statuses != [200, 401]:
        yield f"a token used twice is answered with {statuses[0]} and {statuses[1]}"


@line("J6a", Level.HOUSE, "A token from the future, or one good for days, is refused")
def future(stage: Stage) -> Iterator[str]:
    """It couldn't be remembered for so long."""
    now = int(time.time())
    yield from _refused(stage, "iat in an hour", claims={"iat": now + 3600, "exp": now + 3900})
    yield from _refused(stage, "good for a week", claims={"exp": now + 7 * 86400})


@line("J7", Level.SHALL, "Keys are those registered for the client")
def keys(stage: Stage) -> Iterator[str]:
    """Another key under the same kid, an unknown kid, a key that the token brings along."""
    signer = _signer(stage)
    kid: KeyParameters = {"kid": str(signer.key.kid)}
    forged = ECKey.generate_key("P-384", kid) if isinstance(signer.key, ECKey) else RSAKey.generate_key(2048, kid)
    yield from _refused(stage, "another key under the same kid", key=forged)
    yield from _refused(stage, "an unknown kid", header={"kid": "made-up"})
    yield from _refused(stage, "a key in the header", key=forged, header={"jwk": dict(forged.as_dict(private=False))})


@line("J8", Level.SHALL, "A bare 401 without a reason")
def bare(stage: Stage) -> Iterator[str]:
    """All refusals look alike, and hold no word of the token."""
    signer = _signer(stage)
    tokens = (signer.token("https://x.example"), signer.token(stage.ehr.url(_DISCOVERY), claims={"exp": 1}), "a.b.c")
    bodies = {stage.ehr.send("GET", _DISCOVERY, token=t).body for t in tokens}
    if len(bodies) != 1:
        yield "different reasons have different answers"
    if any(len(b) > 200 for b in bodies):
        yield "the 401 has a body that tells more than that"


@line("J9", Level.SHALL, "Extra claims are tolerated")
def extra_claims(stage: Stage) -> Iterator[str]:
    """Epic sends sub and nbf."""
    signer = _signer(stage)
    claims = {"sub": signer.issuer, "nbf": int(time.time()), "org.example.extra": {"x": 1}}
    status = _status(stage, signer.token(stage.ehr.url(_DISCOVERY), claims=claims))
    if status != 200:
        yield f"answered with {status}"
