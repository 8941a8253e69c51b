"""`portway diff`."""

import json
import sys
from collections.abc import Sequence

import click
import msgspec

from portway.analysis.drift import KINDS, Change, compare, meanwhile
from portway.cli import audittext, moments
from portway.cli.sources import tell_problems

_FOUND, _UNREADABLE = 1, 3
_GATES = {"exposure": ("exposure-gained",), "reach": ("exposure-gained", "reach-gained"), "any": KINDS, "none": ()}
_GATES["breakage"] = ("exposure-lost", "reach-lost", "rollout")


@click.command()
@click.argument("before")
@click.argument("after")
@click.option("-n", "--namespace", default="default", show_default=True, help="Of objects in files that name none.")
@click.option(
    "--fail-on",
    type=click.Choice(list(_GATES)),
    default="none",
    show_default=True,
    help="Exit with 1 on: newly exposed to outside; newly reachable at all; something lost or broken meanwhile; any.",
)
@click.option("-o", "--output", type=click.Choice(["table", "json", "markdown"]), default="table", show_default=True)
def command(before: str, after: str, namespace: str, fail_on: str, output: str) -> None:
    """What a change newly exposes, what it takes away, and what breaks while it rolls out.

    BEFORE and AFTER are each a file or folder, git:REVISION[:PATH], a snapshot, fleet:NAME or context:NAME:
    portway diff git:main:deploy deploy --fail-on exposure.

    Exit code 0: nothing that --fail-on names; 1: something; 3: a part of an input could not be read.
    """
    old, new = moments.read(before, namespace), moments.read(after, namespace)
    changes = (*compare(moments.audited(old), moments.audited(new)), *meanwhile(old.bundle, new.bundle))
    ordered = sorted(changes, key=lambda change: KINDS.index(change.kind))
    click.echo(_shown(ordered, output))
    for inputs in (old, new):
        tell_problems(inputs)
    if old.problems or new.problems:
        sys.exit(_UNREADABLE)
    sys.exit(_FOUND if any(change.kind in _GATES[fail_on] for change in ordered) else 0)


def _shown(changes: Sequence[Change], output: str) -> str:
    if output == "json":
        return json.dumps({"version": 1, "changes": [msgspec.to_builtins(one) for one in changes]}, indent=2)
    if output == "markdown":
        rows = [f"| {c.kind} | `{c.subject}` | {c.text.replace('|', '&#124;')} | `{c.example}` |" for c in changes]
        return "\n".join(["| change | port | what | example |", "|---|---|---|---|", *rows] if rows else ["No change."])
    return "\n".join(audittext.changed(changes))
