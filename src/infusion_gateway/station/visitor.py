"""Who asks, as far as a request shows it."""

from dataclasses import dataclass

from infusion_gateway.station.people import Person
from infusion_gateway.station.screens import CALL, Screen
from infusion_gateway.station.signin import Denied, Place, Session

CLINICIANS = ("clinician", "supervisor")
"""Roles that may look into records, and set who is on duty."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks. person: signed in, and able to act now. session: what may look, perhaps no more."""

    place: Place
    local: bool
    screen: Screen | None
    session: Session | None
    person: Person | None
    cookie: str | None
    token: str

    @property
    def name(self) -> str:
        """Name whose pages these are: a person's, a screen's, or an address's."""
        if self.session is not None:
            return f"person {self.session.code}"
        return self.place.key if self.screen is None else f"screen {self.screen.name}"

    @property
    def sees(self) -> bool:
        """Whether what the beds say is shown: a patient's call button sees no bed."""
        return self.session is not None or (not self.calls and (self.local or self.screen is not None))

    @property
    def stands_there(self) -> bool:
        """Whether this is a screen where the beds are: one that may stop, and take a PIN."""
        return not self.calls and (self.local or self.screen is not None)

    @property
    def calls(self) -> bool:
        """Whether this is a patient's call button."""
        return self.screen is not None and self.screen.profile == CALL

    def clinician(self, does: str) -> Person:
        """Give the clinician who asks. does: in words. Denied: it is nobody who is signed in, or none."""
        if self.person is None:
            raise Denied(401, "sign in first")
        if self.person.role not in CLINICIANS:
            raise Denied(403, f"a {self.person.role} may not {does}", "role")
        return self.person
