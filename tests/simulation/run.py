"""`make simulate SEEDS=N`: many seeds on every core; a failing one prints one line, and the command that replays it.

python -m simulation.run --seeds 2000 [--from 0] [--seed 7 --scenario NAME] [--planted [NAME]]
python -m simulation.run --nuisance N [--keep FILE]
"""

import argparse
import gc
import sys
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from multiprocessing import Pool
from pathlib import Path

from simulation import corpus, nuisance, staged
from simulation.looks import Finding, Verdict
from simulation.plan import Plan, draw
from simulation.planted import BUGS, planted
from simulation.story import Story

WITHIN = 200
"""Seeds within which each planted bug must be noticed."""
NUISANCE_FROM = 1000
"""So many seeds and more are judged by the nuisance budget too, which is of a thousand sessions."""
TROUBLES = frozenset(
    {"broker", "cut", "station", "disk", "crash", "clock", "blocked", "unplug", "dark", "swap", "sensor"}
)
"""Acts of a plan that are faults, beside those of the simulators."""
BROKER_MS = 20
"""The files' expectations are those of a broker nearby."""


def play(seed: int, scenario: str | None = None) -> Verdict:
    """Play one seed."""
    plan = draw(seed, scenario)
    if plan.file[0]:
        return _staged(plan)
    story = Story(plan)
    try:
        return story.play()
    except Exception as error:  # noqa: BLE001 -- whatever broke is the finding: the core never raises on what comes
        finding = Finding("S0", story.now, f"{type(error).__name__}: {error}")
        return Verdict(seed, [finding], story.now, story.counts, story.onlooker.last_events(), plan)


def _staged(plan: Plan) -> Verdict:
    """Play a demo scenario's file, with the seed's disk, broker and lines."""
    name, longer = plan.file
    file = staged.scenario(name)
    longer = longer and name not in staged.ORDERED_END  # a whole session a seed is too much: the tests play those
    played = staged.long(file) if longer else file
    verdict = staged.Staged(played, seed=plan.seed, disk_ms=plan.disk_latency_ms, broker_ms=BROKER_MS).play()
    verdict.plan = plan
    return verdict


def line(verdict: Verdict) -> str:
    """Say it in one line: seed, broken rules, the last twenty events, how to see it again."""
    found = "; ".join(f"{f.rule} at {f.now:.1f} s: {f.what}" for f in verdict.findings)
    scenario = verdict.plan.scenario if verdict.plan is not None else ""
    replay = f"make simulate ARGS='--seed {verdict.seed}'"
    return f"seed {verdict.seed} ({scenario}) broke {found} | last: {' / '.join(verdict.told)} | replay: {replay}"


def _by_sort(counts: Counter[str]) -> dict[str, Counter[str]]:
    """Sort what was counted: faults injected by kind, what people asked for, what of it was enforced, files played."""
    sorts = {"fault": "faults injected", "said": "asked for by people", "changed": "changed", "file": "scenario files"}
    found: dict[str, Counter[str]] = {title: Counter() for title in sorts.values()}
    for name, count in counts.items():
        sort, _, rest = name.partition(" ")
        if rest and sort in sorts:
            found[sorts[sort]][rest] += count
        elif name in TROUBLES:
            found["faults injected"][name] += count
    return found


def _plain(seed: int) -> Verdict:
    return play(seed)


def many(seeds: range) -> int:
    """Play the seeds on every core, print what they came to; give the number of failing ones."""
    began, counts, rules, failed, virtual_s = time.monotonic(), Counter[str](), Counter[str](), 0, 0.0
    with Pool() as pool:
        for verdict in pool.imap_unordered(_plain, seeds, chunksize=4):
            counts.update(verdict.counts)
            virtual_s += verdict.virtual_s
            if verdict.findings:
                failed += 1
                rules.update(f.rule for f in verdict.findings)
                print(line(verdict), flush=True)
    took = time.monotonic() - began
    print(f"{len(seeds)} seeds in {took:.1f} s: {len(seeds) / took:.2f} seeds/s")
    print(f"sessions {counts['sessions']}, virtual hours {virtual_s / 3600:.1f}", end=", ")
    print(f"stops asked {counts['StopAsked']}, alarms raised {counts['ConditionRaised']}")
    for title, part in _by_sort(counts).items():
        print(f"{title}: {', '.join(f'{name} {count}' for name, count in sorted(part.items()))}")
    print(f"broken rules: {dict(rules) if rules else 'none'} in {failed} seeds")
    return failed


def caught(name: str, seeds: Iterable[int]) -> Verdict | None:
    """Plant a bug and play seeds until one notices that breaks no rule without it."""
    for seed in seeds:
        with planted(name):
            verdict = play(seed)
        if verdict.findings and not play(seed).findings:
            return verdict
    return None


def _hunt(name: str) -> tuple[str, Verdict | None]:
    known, _ = corpus.read().planted.get(name, (0, ""))
    return name, caught(name, [known, *(seed for seed in range(WITHIN) if seed != known)])


def bugs(names: list[str]) -> int:
    """Plant each bug, and say which seed noticed; give the number of bugs that none did."""
    missed = 0
    with Pool() as pool:
        for name, verdict in pool.imap_unordered(_hunt, names):
            if verdict is None:
                missed += 1
                print(f"{name}: NOT CAUGHT within {WITHIN} seeds", flush=True)
            else:
                first = verdict.findings[0]
                print(f"{name}: caught by seed {verdict.seed}: {first.rule}: {first.what[:100]}", flush=True)
    print(f"planted bugs: {len(names) - missed} of {len(names)} caught")
    return missed


def collect_rarely() -> None:
    """Look for cycles once in 50,000 new objects: a story keeps what it makes to its end, so there is little to find.

    The processes that play the seeds inherit it. A story is a cycle itself, so every few of them all is looked at.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 3)


def main() -> int:
    """Run what the arguments ask for; 1 where a rule is broken or a bug not noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--scenario")
    parser.add_argument("--planted", nargs="?", const="", metavar="NAME")
    parser.add_argument("--nuisance", type=int)
    parser.add_argument("--keep", type=Path, help="of --nuisance: a file of sessions played already, to go on with")
    given = parser.parse_args()
    if given.seed is not None:
        with planted(given.planted) if given.planted else nullcontext():
            verdict = play(given.seed, given.scenario)
        print(verdict.plan)
        print(line(verdict) if verdict.findings else f"seed {given.seed}: no rule broken")
        return bool(verdict.findings)
    collect_rarely()
    if given.planted is not None:
        return bool(bugs([given.planted] if given.planted else list(BUGS)))
    if given.nuisance is not None:
        return nuisance.report(given.nuisance, given.keep)
    failed = many(range(given.first, given.first + given.seeds))
    if given.seeds >= NUISANCE_FROM:
        failed += nuisance.report(NUISANCE_FROM)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
