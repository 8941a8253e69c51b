"""Progress on stderr: finished steps stay, the running one is rewritten in place on a terminal."""

import sys
import time

import click

from portway.cli.rollout import Progress


class Teller:
    """Tells a person what happens, with the seconds since `started` (a time.monotonic())."""

    def __init__(self, started: float) -> None:
        self._started = started
        self._live = sys.stderr.isatty()
        self._last = ""

    def done(self, text: str) -> None:
        """A step is finished."""
        self._clear()
        click.echo(f"{click.style('✓', fg='green')} {text}  {click.style(self._clock(), dim=True)}", err=True)

    def note(self, text: str) -> None:
        """Something to know."""
        self._clear()
        click.echo(f"{click.style('!', fg='yellow')} {text}", err=True)

    def plain(self, text: str) -> None:
        """A line as it is."""
        click.echo(text, err=True)

    def progress(self, now: Progress) -> None:
        """Nodes and pods so far; said again only when something changed."""
        text = f"… {now.nodes}/{now.nodes_wanted} nodes ready, {now.pods}/{now.pods_wanted} pods ready"
        if text == self._last:
            return
        self._clear()
        self._last = text
        if self._live:
            click.echo(text, err=True, nl=False)

    def _clear(self) -> None:
        if self._live and self._last:
            click.echo("\r\x1b[K", err=True, nl=False)
        self._last = ""

    def _clock(self) -> str:
        return f"{time.monotonic() - self._started:.1f} s"
