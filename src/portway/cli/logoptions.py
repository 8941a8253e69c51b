"""Options and arguments of the commands that read the access log."""

from collections.abc import Iterable
from pathlib import Path

import click

from portway.cli import units

_SERVICE_FORMS = "svc/NAME or svc/NAMESPACE/NAME"


def duration(ctx: click.Context, param: click.Parameter, text: str) -> float | None:
    """A duration as Go writes it, in seconds; None when it is not given."""
    try:
        return units.seconds_of(text) if text else None
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


since_option = click.option(
    "--since", default="", metavar="DURATION", callback=duration, help="Only the last 5m, 1h30m, …"
)
files_option = click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A node's log in place of a fleet's (repeatable); its rotated files FILE.1, FILE.2, … are read too.",
)


def services(texts: Iterable[str], namespace: str) -> frozenset[tuple[str, str]]:
    """Services as people name them, each as (namespace, name). Raises a usage error naming the forms."""
    return frozenset(_service(text, namespace) for text in texts)


def _service(text: str, namespace: str) -> tuple[str, str]:
    kind, *names = text.split("/")
    if kind not in ("svc", "service", "services") or len(names) not in (1, 2) or not all(names):
        raise click.BadParameter(f"{text!r} is no Service: {_SERVICE_FORMS}", param_hint="SERVICE")
    return (names[0], names[1]) if len(names) == 2 else (namespace, names[0])
