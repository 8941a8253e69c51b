"""`portway report`."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click
import msgspec

from portway.accesslog import Record
from portway.accesslog.lines import Reading
from portway.accesslog.names import Client, client_of
from portway.accesslog.report import AccessReport, report
from portway.accesslog.selection import Selection
from portway.cli import reporttext, stream
from portway.cli.logfiles import NodeLog
from portway.cli.logoptions import duration, files_option, since_option
from portway.cli.logs import opened, say_lost, whole
from portway.cli.options import fleet_name
from portway.cli.today import now_of


@click.group()
def command() -> None:
    """What the access log tells when it is put together."""


@command.command()
@fleet_name
@click.option("-n", "--namespace", default="", help="Only Services of this namespace.  [default: all]")
@since_option
@click.option("--until", default="", metavar="DURATION", callback=duration, help="But not the last 5m, …")
@files_option
@click.option(
    "--kubeconfig",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The cluster whose policies of today --file is held against; a fleet's are its own.",
)
@click.option(
    "-o", "--output", type=click.Choice(["table", "json", "md"]), default="table", show_default=True,
    help="Output format.",
)  # fmt: skip
def access(
    name: str,
    namespace: str,
    since: float | None,
    until: float | None,
    files: Sequence[Path],
    kubeconfig: Path | None,
    output: str,
) -> None:
    """Who used which port, the busiest moments, new clients, scans, closed doors, what today's policies say otherwise,
    and backends' shares.

    \b
    portway report access --since 24h             the last day; new: not in the log before
    portway report access -n shop -o md > r.md    for a review

    New clients are only told with --since, and as far as the log goes back. A scan is 15 different refused ports of
    one client within 5 minutes, 25 addresses that no Service has, or 100 of either in all; a Service that has no ready
    pod does not count. After a door was closed, AFTER counts connections of the same client to the same Service port:
    worth a look, and no proof of a hole.

    Today's policies judge each connection of the log again: what they would now deny, and what they would now let in.
    """
    now = time.time()
    window = Selection(namespace, frozenset(), now - since if since else 0.0, now - until if until else float("inf"))
    with stream.quietly():
        known = _known(opened(name, files, 0.0)[1], window) if since else None
        state, logs = opened(name, files, window.since)
        reading = Reading()
        found = report(_records(reading, logs, window), now, known or None, now_of(state, kubeconfig))
        sys.stdout.writelines(f"{line}\n" for line in _lines(found, output))
        say_lost(reading, logs)


def _records(reading: Reading, logs: Iterable[NodeLog], window: Selection) -> Iterator[Record]:
    """Reports need no order."""
    return (e.record for entries in whole(reading, logs) for e in entries if window.takes(e.record))


def _known(logs: Iterable[NodeLog], window: Selection) -> set[Client]:
    """The clients of the time before the window, wherever they went."""
    before = Selection(until=window.since)
    return {client_of(record) for record in _records(Reading(), logs, before)}


def _lines(found: AccessReport, output: str) -> Iterable[str]:
    if output == "json":
        return [msgspec.json.format(msgspec.json.encode(found), indent=2).decode()]
    if output == "md":
        return reporttext.markdown(found)
    return reporttext.text(found, stream.width(), stream.coloured())
