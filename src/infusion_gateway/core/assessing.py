"""What people assess, held against its limits: sedation (MOAA/S) and distress. True until assessed otherwise."""

from infusion_gateway.core.claims import of_the_drug
from infusion_gateway.core.turn import Turn
from infusion_gateway.model.alarm import Priority, Response
from infusion_gateway.model.instructions import Score
from infusion_gateway.model.session import Phase

ASSESSED = frozenset({Phase.INFUSING, Phase.PAUSED, Phase.COMPLETED, Phase.STOPPED, Phase.RECOVERY})


def claim_assessments(turn: Turn) -> None:
    """Claim a patient too deeply sedated, and one in distress (rules, conditions table)."""
    case, protocol = turn.durable.case, turn.protocol
    if case is None or protocol is None or turn.phase not in ASSESSED:
        return
    scores = {known.score: known.value for known in case.scores}
    sedation = scores.get(Score.MOAA_S)
    if sedation is not None and sedation <= protocol.sedated_medium:
        deep = sedation <= protocol.sedated_high
        limit = protocol.sedated_high if deep else protocol.sedated_medium
        text = f"MOAA/S {sedation:g}, {limit} or less. Speak to the patient; airway, breathing"
        response = Response.STOP_UNLESS_HELD if deep else Response.TELL
        priority = Priority.HIGH if deep else Priority.MEDIUM
        turn.claim(of_the_drug("moaa-s-low", priority, text, response=response, value=sedation, limit=limit))
    distress = scores.get(Score.DISTRESS)
    if distress:
        text = f"The patient is in distress ({distress:g} of 10). Stay, speak, think of a pause"
        turn.claim(of_the_drug("distress", Priority.MEDIUM, text, value=distress, limit=0.0))
