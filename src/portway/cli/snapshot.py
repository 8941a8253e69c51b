"""`portway snapshot`."""

import datetime
import json
import sys
from collections.abc import Sequence

import click

from portway.cli.sources import SNAPSHOT_KIND, SNAPSHOT_VERSION, select, source_options, tell_problems


@click.command()
@source_options
def command(sources: Sequence[str], name: str, kubeconfig: str | None, context: str | None, namespace: str) -> None:
    """Write what a fleet or a live cluster has, for lint, audit and diff to read later.

    One JSON object on stdout, without the values of Secrets: portway snapshot > before.json; portway diff before.json …

    Exit code 3: something could not be read; stderr says what, and the rest is written.
    """
    inputs = select(sources, name, context, kubeconfig, namespace)
    document = {
        "apiVersion": SNAPSHOT_VERSION,
        "kind": SNAPSHOT_KIND,
        "metadata": {"creationTimestamp": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")},
        "items": [item.value for item in inputs.bundle.items],
    }
    json.dump(document, sys.stdout, separators=(",", ":"))
    click.echo()
    tell_problems(inputs)
    if inputs.problems:
        sys.exit(3)
