"""`portway audit`."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from portway.analysis.drift import Change, compare
from portway.analysis.exposure import Exposure
from portway.cli import audittext, moments
from portway.cli.readable import readable
from portway.cli.sources import file_arguments, select, source_options, tell_problems

_UNREADABLE = 3


@click.command()
@file_arguments
@source_options
@click.option("--since", metavar="MOMENT", help=f"Also what changed since then: {moments.FORMS}.")
@click.option(
    *("-o", "--output"), type=click.Choice(["table", "json", "markdown", "html"]), default="table", show_default=True
)
def command(
    files: Sequence[str],
    sources: Sequence[str],
    name: str,
    kubeconfig: str | None,
    context: str | None,
    namespace: str,
    since: str | None,
    output: str,
) -> None:
    """What can be reached from where: each Service port, its ways in, who may come, and who stands behind.

    Outside ways are followed as packets, inside ones judged by the policies; nothing is sent. For regular review keep a
    snapshot: portway snapshot > monday.json; a week later portway audit --since monday.json.

    Exit code 3: a part of the input could not be read; the rest is audited.
    """
    inputs = readable(select((*files, *sources), name, context, kubeconfig, namespace))
    found = moments.audited(inputs)
    changes = compare(moments.audited(moments.read(since)), found) if since else ()
    click.echo(_shown(found, changes, output))
    tell_problems(inputs)
    sys.exit(_UNREADABLE if inputs.problems else 0)


def _shown(found: Sequence[Exposure], changes: Sequence[Change], output: str) -> str:
    if output == "json":
        document = {
            "version": 1,
            "exposures": [_document(one) for one in found],
            "changes": [msgspec.to_builtins(one) for one in changes],
        }
        return json.dumps(document, indent=2)
    render = {"table": audittext.text, "markdown": audittext.markdown, "html": audittext.html}[output]
    return render(found, changes)


def _document(one: Exposure) -> dict[str, Any]:
    """`clients.namespaces` is ["*"] for all of them: a large cluster's would be written out for each Service port."""
    shown: dict[str, Any] = msgspec.to_builtins(one) | {"outside": one.outside}
    if one.clients.everywhere:
        shown["clients"]["namespaces"] = ["*"]
    return shown
