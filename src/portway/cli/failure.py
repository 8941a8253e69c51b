"""Failures a person can do something about, told in one line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from portway.kubeapi.errors import ApiError


class Failure(click.ClickException):
    """What went wrong and what to do: `portway: MESSAGE` on stderr, exit code 1."""

    def show(self, file: object = None) -> None:
        click.echo(f"portway: {self.message}", err=True)


@contextmanager
def told() -> Iterator[None]:
    """Turns what rooms raise for bad input or a bad environment into a line; other exceptions are bugs."""
    try:
        yield
    except ApiError as error:
        _say(error.message)
    except ConnectionError as error:
        _say(str(error))


def _say(message: str) -> None:
    click.echo(f"portway: {message}", err=True)
    sys.exit(1)
