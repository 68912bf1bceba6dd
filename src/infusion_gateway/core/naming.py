"""Naming: what metrics, their units, and what is overdue are called where people read them."""

from infusion_gateway.core.dose import seconds
from infusion_gateway.model.metric import FACTS, Metric
from infusion_gateway.model.session import Scheduled

NAMED_UNITS = {"{beats}/min": "/min", "{breaths}/min": "/min", "mm[Hg]": "mmHg", "Cel": "°C"}
NAMES = {
    Metric.SPO2: "SpO2",
    Metric.PULSE: "Pulse",
    Metric.HR: "Heart rate",
    Metric.RR: "Respiratory rate",
    Metric.ETCO2: "EtCO2",
    Metric.NIBP_SYS: "Systolic pressure",
    Metric.NIBP_DIA: "Diastolic pressure",
    Metric.NIBP_MEAN: "Mean pressure",
    Metric.TEMP: "Temperature",
    Metric.RATE: "Pump rate",
    Metric.VOLUME: "Volume delivered",
    Metric.VTBI: "Volume to be infused",
    Metric.VTBI_REMAIN: "Volume left to be infused",
}


def overdue_words(entry: Scheduled) -> tuple[str, str]:
    """Give the code and the words of what is overdue."""
    after = seconds(entry.steps[0].after)
    if entry.what is Metric.NIBP_SYS:
        return "nibp-overdue", f"No blood pressure for more than {after}. Start the cuff, or enter one by hand"
    if isinstance(entry.what, Metric):
        word = FACTS[entry.what].word
        return f"{word}-overdue", f"No {word} for more than {after}. Measure it and enter it by hand"
    return f"{entry.what}-overdue", f"No {entry.what} entered for more than {after}. Assess the patient and enter it"
