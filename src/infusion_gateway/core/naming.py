"""Naming: what metrics and their units are called where people read them."""

from infusion_gateway.model.metric import Metric

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
