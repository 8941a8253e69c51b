"""`portway assert`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import click

from portway.analysis.expectation import BadExpectation, Expectation, Outcome, evaluate, parse
from portway.analysis.target import parse_place
from portway.cli.agreement import agreement
from portway.cli.ground import Ground, of_fleet, of_sources
from portway.cli.sources import source_options, tell_problems
from portway.cli.trace import probed
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
    outcomes = [_outcome(here, one, probe) for one in wanted]
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


def _outcome(here: Ground, wanted: Expectation, probe: bool) -> Outcome:
    found = evaluate(here.terrain, wanted)
    if not (probe and here.state and found.trace and found.trace.packet):
        return found
    fact = probed(here.state, parse_place(found.trace.origin), found.trace)
    if agreement(found.trace, fact):
        return found
    return Outcome(found.name, False, f"a real packet was {fact['outcome']}, the trace says {found.trace.code}")


def _tap(outcomes: Sequence[Outcome]) -> str:
    lines = ["TAP version 14", f"1..{len(outcomes)}"]
    for number, one in enumerate(outcomes, 1):
        lines.append(f"{'ok' if one.held else 'not ok'} {number} - {one.name.replace('#', ' ')}")
        lines += [] if one.held else ["  ---", f"  reason: {one.text}", "  ..."]
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
