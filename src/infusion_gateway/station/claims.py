"""Who somebody is here, by what the clinic's identity provider says of them: a person of the people's file, or a code.

An entry that says `openid = "SUBJECT"` is that person: code, title, role and PIN are the entry's, whatever their groups
are, since one person has one role however they signed in. Everybody else has the code that a claim says, which must be
nobody's of the file, and the highest role that a group of theirs is mapped to.
"""

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from infusion_gateway.config.settings import OpenIdSettings
from infusion_gateway.station.people import ROLES, People, Person, fault
from infusion_gateway.station.signin import Denied

MOST_GROUPS = 4096


def person(claims: Mapping[str, Any], settings: OpenIdSettings, people: People) -> Person:
    """Give who this is. Denied: in words why they are nobody here. claims: believed, with a sound `sub`."""
    subject = claims["sub"]
    linked = people.of(subject)
    if linked is not None:
        return linked
    code, role = claim(claims, settings.name_claim), _role(claim(claims, settings.roles_claim), settings.roles)
    entry = f"infusion-gateway people openid CODE {shlex.quote(subject)}"
    if role is None:
        raise Denied(403, f"none of your groups at the provider ({settings.roles_claim}) has a role here; or: {entry}")
    if not isinstance(code, str):
        raise Denied(403, f"the provider doesn't say what to call you ({settings.name_claim}); or: {entry}")
    if why := fault(code, code, role):
        raise Denied(403, f"{settings.name_claim} can't stand on the record: {why}; or: {entry}")
    if people.get(code) is not None:
        raise Denied(403, f"{code} is one of the station's own people: sign in as such; if both are you: {entry}")
    return Person(code.lower(), code, role, "")


def _role(groups: Any, roles: Mapping[str, str]) -> str | None:
    said = [groups] if isinstance(groups, str) else groups[:MOST_GROUPS] if isinstance(groups, list) else []
    given = {roles[group] for group in said if isinstance(group, str) and group in roles}
    return max(given, key=ROLES.index, default=None)


def lacks(claims: Mapping[str, Any], names: Iterable[str]) -> bool:
    """Say whether one of these claims isn't there, so that the provider must be asked for it."""
    return any(claim(claims, name) is None for name in names)


def claim(claims: Mapping[str, Any], name: str) -> Any:
    """Give a claim by its name, or, where there is none of that name, by the path that its points make; None: none."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found
