"""The study's text, from its template: what was asked, how, what came of it, and what it does not show."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill

from study.judging import AFTERWARDS_S, DELAYS_S, LIMITS, MATTERS_S, Setting, Tally
from study.patients import AVERAGED_S, DIPS, GAPS, LENGTH_S, MOVEMENTS, NOISE, PROBES, SHORT_DIPS
from study.recorded import Recorded

WIDTH = 120
TEMPLATE = Path(__file__).with_name("template.md")
NO_RECORDINGS = 'No recordings were given (`make study ARGS="--recordings DIR"`): this part is left out.'


def document(tallies: Mapping[Setting, Tally], sessions: int, recorded: Sequence[Recorded] | None) -> str:
    """Write the whole document."""
    hours = sessions * LENGTH_S / 3600
    return TEMPLATE.read_text().format(
        sessions=sessions,
        hours=hours,
        minutes=LENGTH_S / 60,
        limits=_listed(LIMITS),
        delays=_listed(DELAYS_S),
        dips=DIPS,
        short_dips=SHORT_DIPS,
        movements=MOVEMENTS,
        probes=PROBES,
        gaps=GAPS,
        averaged=AVERAGED_S,
        noise=NOISE,
        afterwards=AFTERWARDS_S,
        matters=MATTERS_S,
        seeded=_seeded(tallies, hours),
        shown=_shown(tallies),
        recorded=_recorded(recorded) if recorded else NO_RECORDINGS,
    )


def _listed(numbers: Sequence[int]) -> str:
    words = [str(number) for number in numbers]
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(str(cell) for cell in cells)} |" for cells in lines)


def _seeded(tallies: Mapping[Setting, Tally], hours: float) -> str:
    heads = ["limit", "delay", "true events", "found", "lasting", "lasting found", "false", "false an hour"]
    rows: list[list[object]] = []
    for (percent, delay), tally in tallies.items():
        found, lasting = _part(tally.found, tally.events), _part(tally.lasting_found, tally.lasting)
        told = [_seconds(tally.median_s), _seconds(tally.p90_s)]
        false = [tally.false, f"{tally.false / hours:.1f}"]
        rows.append([f"< {percent} %", f"{delay} s", tally.events, found, tally.lasting, lasting, *false, *told])
    return _table([*heads, "delay of detection, median", "90 %"], rows)


def _shown(tallies: Mapping[Setting, Tally]) -> str:
    """Say in words what the table shows, from its own numbers."""
    most = max(DELAYS_S)
    said = []
    for percent in LIMITS:
        none, full = tallies[percent, min(DELAYS_S)], tallies[percent, most]
        fewer = f"{full.false} false alarms where none raises {none.false} ({_less(full.false, none.false)})"
        found = f"{full.lasting_found} of {full.lasting} lasting events where none finds {none.lasting_found}"
        line = f"Below {percent} percent, a delay of {most} s raises {fewer}, finds {found}, and tells "
        line += f"{full.median_s - none.median_s:.1f} s later at the median."
        if full.lost:
            line += f" Of its false alarms {full.lost} were told because the signal was lost for 30 s while its last "
            line += "value was outside a limit of high priority, which no delay changes."
        said.append(fill(line, WIDTH, initial_indent="* ", subsequent_indent="  "))
    return "\n".join(said)


def _less(now: int, before: int) -> str:
    return "no fewer" if not before or now >= before else f"{100 * (before - now) / before:.0f} percent fewer"


def _part(part: int, whole: int) -> str:
    return f"{part} ({100 * part / whole:.0f} %)" if whole else "0"


def _seconds(length: float) -> str:
    return "-" if math.isnan(length) else f"{length:.1f} s"


def _recorded(recorded: Sequence[Recorded]) -> str:
    lows = [one.name for one in recorded if any(one.below)]
    about = f"{len(recorded)} recordings of the BIDMC PPG and Respiration Dataset, "
    about += f"{sum(one.seconds for one in recorded) / 60:.0f} minutes in all, a value a second. **Few events**: "
    about += (
        f"{len(lows)} of them ({', '.join(lows) or 'none'}) hold a value below {max(LIMITS)} percent at all. Nobody "
    )
    about += "has marked in them what was true and what was not, so alarms are counted and not called found or false."
    heads = ["recording", "minutes", "seconds without a value", "lowest SpO2"]
    patients = [[one.name, f"{one.seconds / 60:.0f}", one.missing, f"{one.lowest:g}", *one.below] for one in recorded]
    alarms: list[list[object]] = []
    for percent, delay in recorded[0].raised:
        raised = {one.name: one.raised[percent, delay] for one in recorded if one.raised[percent, delay]}
        first = ", ".join(f"{found[0].at:.0f}" for found in raised.values()) or "-"
        count = sum(len(found) for found in raised.values())
        alarms.append([f"< {percent} %", f"{delay} s", count, ", ".join(raised) or "-", first])
    return "\n\n".join(
        [
            fill(about, WIDTH),
            _table([*heads, *(f"seconds < {percent} %" for percent in LIMITS)], patients),
            _table(["limit", "delay", "alarms raised", "in recordings", "first, seconds after the start"], alarms),
        ]
    )
