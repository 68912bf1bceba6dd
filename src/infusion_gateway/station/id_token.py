"""What an identity provider's ID token must hold before a word of it is believed (OpenID Connect Core 1.0, 3.1.3.7).

joserfc verifies the signature and the registered claims; what it has no rule for (azp, how long ago somebody proved who
they are) is held here. Only keys that the provider publishes count, and only asymmetric algorithms: never `none`, and
never a secret that the station knows too.
"""

import json
import math
import warnings
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc import jwt
from joserfc.errors import (
    BadSignatureError,
    ClaimError,
    ExpiredTokenError,
    InvalidKeyIdError,
    JoseError,
    SecurityWarning,
    UnsupportedAlgorithmError,
)
from joserfc.jwk import ECKey, JWKRegistry, Key, KeySet, RSAKey
from joserfc.jws import JWSRegistry

from infusion_gateway.station.people import is_subject

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
MOST_KEYS = 64
LEAST_RSA, MOST_RSA = 2048, 8192
LONGEST = 32 * 1024
"""Characters of a token that are looked at."""
LEEWAY_S = 60
"""So far apart the provider's clock and this machine's may be."""
OLDEST_S = 600
"""A token comes straight from the provider: one that was made longer ago is somebody's old one."""
_REGISTRY = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
_BROKEN = (
    JoseError,
    SecurityWarning,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    RecursionError,
    UnsupportedAlgorithm,
)
"""What bytes from elsewhere make joserfc and what is under it raise."""


class Untrue(Exception):
    """The token is not believed: in words why. Caught where the sign-in is answered."""


class UnknownKey(Untrue):
    """No key that is known signed it: there may be newer ones."""


def keys_of(published: Any) -> KeySet:
    """Give the keys of a JSON Web Key Set that may sign; one that can't be used is passed over, as RFC 7517, 5 says."""
    listed = published.get("keys") if isinstance(published, dict) else None
    found = (_usable(one) for one in (listed if isinstance(listed, list) else [])[:MOST_KEYS])
    return KeySet([key for key in found if key is not None])


def _usable(one: Any) -> Key | None:
    if not isinstance(one, dict) or one.get("use", "sig") != "sig" or not isinstance(one.get("kid", ""), str):
        return None
    if one.get("kty") not in ("EC", "RSA"):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # of short ones, which are refused below
            key = JWKRegistry.import_key(one)
        key.ensure_kid()
        private = key.is_private
        bits = key.public_key.key_size if isinstance(key, RSAKey) else None
    except _BROKEN:
        return None
    sound = isinstance(key, ECKey) or (bits is not None and LEAST_RSA <= bits <= MOST_RSA)
    return key if sound and not private else None


def believed(
    token: str, keys: KeySet, *, issuer: str, client_id: str, nonce: str, utc_s: float, since_s: float | None
) -> Mapping[str, Any]:
    """Give a token's claims. since_s: how long ago, at most, its person must have proven who they are; None: any time.

    utc_s: seconds since 1970. Untrue: something of it does not hold. UnknownKey: its key isn't among these.
    """
    if len(token) > LONGEST:
        raise Untrue("it is longer than an ID token")
    try:
        claims = jwt.decode(token, keys, registry=_REGISTRY, decoder_cls=_Strict).claims
        registry = jwt.JWTClaimsRegistry(
            now=int(utc_s), leeway=LEEWAY_S,
            iss={"essential": True, "value": issuer}, aud={"essential": True, "value": client_id},
            sub={"essential": True}, exp={"essential": True}, iat={"essential": True},
            nonce={"essential": True},
        )  # fmt: skip
        registry.validate(claims)
        _for_us(claims, client_id, nonce)
        if int(utc_s) - claims["iat"] > OLDEST_S:
            raise Untrue("it was made long ago")
        if since_s is not None:
            _lately(claims, int(utc_s), since_s)
    except InvalidKeyIdError:
        raise UnknownKey("no key that the provider publishes signed it") from None
    except _BROKEN as error:
        raise Untrue(_words(error)) from None
    return claims


def _for_us(claims: Mapping[str, Any], client_id: str, nonce: str) -> None:
    audience, party, subject = claims["aud"], claims.get("azp"), claims["sub"]
    if claims["nonce"] != nonce:
        raise Untrue("it was made for another sign-in (nonce)")
    if party is not None and party != client_id:
        raise Untrue("it was made for somebody else (azp)")
    if party is None and isinstance(audience, list) and len(audience) > 1:
        raise Untrue("it is for several, and does not say for which (azp)")
    if not is_subject(subject):
        raise Untrue("it does not say who it is about (sub)")


def _lately(claims: Mapping[str, Any], utc_s: float, since_s: float) -> None:
    """Hold when its person proved who they are against both clocks: the provider's own alone, and this machine's."""
    at_s = claims.get("auth_time")
    if isinstance(at_s, bool) or not isinstance(at_s, int | float) or not math.isfinite(at_s):
        raise Untrue("it does not say when you proved who you are (auth_time)")
    if claims["iat"] - at_s > since_s + 1 or utc_s - at_s > since_s + LEEWAY_S:
        raise Untrue("you proved who you are before you were asked to (auth_time): enter your password there")


def _words(error: Exception) -> str:
    """Say what is wrong in words of our own: what came in is not repeated."""
    match error:
        case ExpiredTokenError():
            return "it has expired (exp): look at this machine's clock, too"
        case BadSignatureError():
            return "its signature is not the provider's"
        case UnsupportedAlgorithmError():
            return "it is not signed as it must be"
        case ClaimError(claim="iat" | "nbf"):
            return f"it is of the future, or of no time ({error.claim}): look at this machine's clock, too"
        case ClaimError():  # of those that are asked for, so the name is ours
            return f"{error.claim} is missing, or not as it must be"
        case _:
            return "it can't be read"


class _Strict(json.JSONDecoder):
    """JSON without NaN and Infinity, which no claim can be."""

    def __init__(self) -> None:
        super().__init__(parse_constant=_no_number)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")
