"""`portway logs`."""

import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import click

from portway import fleet
from portway.accesslog.lines import Entry, Reading
from portway.accesslog.order import merged
from portway.accesslog.selection import Selection
from portway.cli import stream
from portway.cli.failure import tell
from portway.cli.logfiles import NodeLog, accesslog_files
from portway.cli.logoptions import files_option, services, since_option
from portway.cli.logtable import LogTable, Look
from portway.cli.options import fleet_name, output_format
from portway.fleet import FleetState
from portway.fleet.state import alive

SLACK_SECONDS = 150.0
"""How much later than it ended an agent may write: a UDP flow has ended when nothing came for two minutes."""
_PAUSE = 0.2
_LOOKED_AT = 500
"""Records by which the columns' widths are chosen."""


@click.command()
@fleet_name
@click.argument("service", required=False)
@click.option("-n", "--namespace", default="default", show_default=True, help="Only Services of this namespace.")
@click.option("-A", "--all-namespaces", is_flag=True, help="All namespaces, and doors that belong to no Service.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@since_option
@click.option("--tail", default=-1, metavar="N", help="Only the last N.")
@click.option("--denied", is_flag=True, help="Only what was not let in: refused, dropped or denied.")
@files_option
@output_format
def command(
    name: str,
    service: str | None,
    namespace: str,
    all_namespaces: bool,
    follow: bool,
    since: float | None,
    tail: int,
    denied: bool,
    files: Sequence[Path],
    output: str,
) -> None:
    """Who came: each connection through a Service once it has ended, and each that was not let in.

    \b
    portway logs -n shop svc/web -f           web's connections as they end
    portway logs -A --denied --since 5m       whoever was turned away lately
    portway logs -A -o json | jq .client.ip   one JSON document a line

    TIME is when it ended, or when it was refused; IN are the client's bytes. Codes are those of `portway trace`.
    """
    now = time.time()
    selection = Selection(
        namespace="" if all_namespaces or service else namespace,
        services=services([service] if service else [], namespace),
        since=0.0 if since is None else now - since,
        denied=denied,
    )
    with stream.quietly():
        state, logs = opened(name, files, selection.since)
        printer = _Printer(output, Look(stream.width(), stream.coloured(), now, all_namespaces))
        reading = Reading()
        if follow:
            printer.print(_last(tail, _selected(merged(_backlog(reading, logs), SLACK_SECONDS), selection)))
            _follow(state, logs, reading, selection, printer)
        else:
            printer.print(_last(tail, _selected(merged(whole(reading, logs), SLACK_SECONDS), selection)))
        say_lost(reading, logs)
        if not printer.printed and not follow:
            tell(f"nothing of that kind in the log of {'these files' if files else f'fleet {name}'}")


def opened(name: str, files: Sequence[Path], since: float) -> tuple[FleetState | None, list[NodeLog]]:
    """The logs of the files, or those of the fleet's nodes (and the fleet). Raises Failure, FleetError."""
    if files:
        return None, [NodeLog(path, since) for path in files]
    state = fleet.find(name)
    return state, [NodeLog(path, since) for path in accesslog_files(state).values()]


def whole(reading: Reading, logs: Iterable[NodeLog]) -> list[Iterator[Entry]]:
    """Each log's entries to the end. A last line that is being written is taken if it is all there."""
    return [chain(reading.entries(log.lines()), Reading().entries(log.last_words())) for log in logs]


def say_lost(reading: Reading, logs: Iterable[NodeLog]) -> None:
    """On stderr, what should have been shown and could not."""
    if reading.unreadable:
        lines = "1 line of the log is" if reading.unreadable == 1 else f"{reading.unreadable} lines of the log are"
        tell(f"{lines} no record that this release can read")
    if any(log.lost for log in logs):
        tell("the log was rotated away faster than it was read: some records are missing")


def _backlog(reading: Reading, logs: Iterable[NodeLog]) -> list[Iterator[Entry]]:
    return [reading.entries(log.lines()) for log in logs]


def _selected(entries: Iterable[Entry], selection: Selection) -> Iterator[Entry]:
    return (entry for entry in entries if selection.takes(entry.record))


def _last(count: int, entries: Iterator[Entry]) -> Iterator[Entry]:
    return entries if count < 0 else iter(deque(entries, maxlen=count))


def _follow(
    state: FleetState | None, logs: Sequence[NodeLog], reading: Reading, selection: Selection, printer: "_Printer"
) -> None:
    """Until the reader or the fleet is gone."""
    going = True
    while going and stream.paused(_PAUSE):
        going = state is None or alive(state)
        new = [entry for entries in _backlog(reading, logs) for entry in _selected(entries, selection)]
        printer.print(iter(sorted(new, key=lambda entry: entry.moment)))


class _Printer:
    def __init__(self, output: str, look: Look) -> None:
        self._json = output == "json"
        self._look = look
        self._table: LogTable | None = None
        self.printed = 0

    def print(self, entries: Iterator[Entry]) -> None:
        """All of them, and what was held back."""
        if self._json:
            for entry in entries:
                sys.stdout.write(f"{entry.line.decode(errors='replace')}\n")
                self.printed += 1
        else:
            self._print_table(entries)
        sys.stdout.flush()

    def _print_table(self, entries: Iterator[Entry]) -> None:
        if self._table is None:
            first = list(islice(entries, _LOOKED_AT))
            if not first:
                return
            self._table = LogTable(self._look, [entry.record for entry in first])
            sys.stdout.write(f"{self._table.head}\n")
            entries = chain(first, entries)
        for entry in entries:
            sys.stdout.writelines(f"{line}\n" for line in self._table.lines(entry.record))
            self.printed += 1
