"""Failures a person can do something about, told in one line each; anything else is a bug and says so."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click


class Failure(click.ClickException):
    """What went wrong and what to do: `portway: MESSAGE` on stderr, exit code 1."""

    def show(self, file: object = None) -> None:
        tell(self.message)


@contextmanager
def told() -> Iterator[None]:
    """Turns what rooms raise for bad input or a bad environment into a line and exit code 1."""
    try:
        yield
    except Exception as error:
        if not _expected(error):
            raise
        tell(str(error))
        sys.exit(1)


def tell(message: str) -> None:
    """`portway: ` before the first line, further lines below it."""
    first, *more = message.splitlines() or [""]
    click.echo(f"portway: {first}", err=True)
    for line in more:
        click.echo(f"  {line}", err=True)


def _expected(error: Exception) -> bool:
    """Asked only after a failure, so that a command that works never imports these rooms for it."""
    from portway.agent import NftError, NftMissing
    from portway.client import BadKubeconfig, Unreachable
    from portway.fleet import FleetError
    from portway.kubeapi.errors import ApiError
    from portway.kubeapi.yaml import YamlError

    return isinstance(error, (ApiError, Unreachable, BadKubeconfig, FleetError, YamlError, NftError, NftMissing))
