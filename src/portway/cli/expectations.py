"""`portway assert`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import click
from msgspec.structs import replace

from portway.analysis.expectation import BadExpectation, Expectation, Outcome, evaluate, parse, want
from portway.analysis.trace import Trace
from portway.cli.agreement import agreement
from portway.cli.ground import of_fleet, of_sources
from portway.cli.probing import Fact, probed, sends_from
from portway.cli.sources import source_options, tell_problems
from portway.fleet import FleetState
from portway.kubeapi import yaml

_FAILED, _UNREADABLE = 1, 3


@click.command(name="assert")
@click.option("-t", "--tests", required=True, metavar="FILE", help="Expectations; netassert's files fit.")
@source_options
@click.option("--probe", is_flag=True, help="In a fleet: also send real packets, and fail where they disagree.")
@click.option("-o", "--output", type=click.Choice(["tap", "junit"]), default="tap", show_default=True)
def command(
    tests: str,
    sources: Sequence[str],
    name: str,
    kubeconfig: str | None,
    context: str | None,
    namespace: str,
    probe: bool,
    output: str,
) -> None:
    """Hold a cluster, or what files would make, to expectations of who reaches what.

    Each names a source (outside, an address, a workload), a goal (a Service, a nodePort, a workload, a host) and
    whether it is reachable (exitCode 0) or not. Nothing is sent unless --probe asks for it.

    Exit code 0: all hold; 1: one does not; 2: wrong usage; 3: a part of the input could not be read.
    """
    wanted = _read(tests)
    elsewhere = bool(sources or kubeconfig or context)
    if probe and elsewhere:
        raise click.UsageError("--probe sends packets in a fleet; there is none behind -f, --kubeconfig or --context")
    here = of_sources(sources, name, context, kubeconfig, namespace) if elsewhere else of_fleet(name)
    outcomes = [evaluate(here.terrain, one) for one in wanted]
    if probe and here.state:
        outcomes = _probed(here.state, outcomes)
    click.echo(_tap(outcomes) if output == "tap" else _junit(outcomes))
    problems = here.inputs.problems if here.inputs else ()
    if here.inputs:
        tell_problems(here.inputs)
    sys.exit(_UNREADABLE if problems else 0 if all(one.held for one in outcomes) else _FAILED)


def _read(path: str) -> tuple[Expectation, ...]:
    try:
        return parse(yaml.load(Path(path).read_text(), path), path)
    except OSError as error:
        raise click.UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except BadExpectation as error:
        raise click.UsageError(str(error)) from None


def _probed(state: FleetState, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The same after real packets went all ways of those that hold; the others are left alone."""
    ways = [[(place, way) for place, way in one.ways if one.held and sends_from(place)] for one in outcomes]
    for place in sorted({str(place) for one in outcomes for place, _ in one.ways if not sends_from(place)}):
        click.echo(f"portway: {place}: not probed, no packet can be sent from there", err=True)
    facts = iter(probed(state, [way for some in ways for way in some]))
    return [_met(one, [(way, next(facts)) for _, way in some]) for one, some in zip(outcomes, ways, strict=True)]


def _met(found: Outcome, facts: Sequence[tuple[Trace, Fact]]) -> Outcome:
    wrong = next((text for way, fact in facts if (text := _wrong(found.reachable, way, fact))), "")
    return replace(found, held=False, text=wrong) if wrong else found


def _wrong(reachable: bool, way: Trace, fact: Fact) -> str:
    """What packets say against an expectation that the trace says holds; empty for nothing."""
    met = "answered" if fact["outcome"] == "mixed" else fact["outcome"]
    went = f"{way.origin} → {way.target}: a real packet was {met}"
    if not agreement(way, fact):
        return f"{went}, the trace says {way.code}"
    if (met == "answered") != reachable:
        return f"{want(reachable)}, but {went} by the pod itself: nothing listens on {way.reached[0].port} there"
    return ""


def _tap(outcomes: Sequence[Outcome]) -> str:
    lines = ["TAP version 14", f"1..{len(outcomes)}"]
    for number, one in enumerate(outcomes, 1):
        lines.append(f"{'ok' if one.held else 'not ok'} {number} - {one.name.replace('#', ' ')}")
        lines += [] if one.held else ["  ---", f"  reason: {json.dumps(one.text, ensure_ascii=False)}", "  ..."]
    return "\n".join(lines)


def _junit(outcomes: Sequence[Outcome]) -> str:
    cases = [
        f"    <testcase name={quoteattr(one.name)}>"
        + ("" if one.held else f"<failure message={quoteattr(one.text)}/>")
        + "</testcase>"
        for one in outcomes
    ]
    failed = sum(not one.held for one in outcomes)
    head = f'  <testsuite name="portway assert" tests="{len(outcomes)}" failures="{failed}">'
    return "\n".join(
        ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>", head, *cases, "  </testsuite>", "</testsuites>"]
    )
