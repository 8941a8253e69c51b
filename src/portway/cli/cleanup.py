"""`portway cleanup`."""

import click

from portway import agent


@click.command()
def command() -> None:
    """Remove Portway's own nftables table from this network namespace, and nothing else.

    For a node on which `portway serve` ran; a fleet cleans up by itself.
    """
    clean()


def clean() -> None:
    """Remove it, and say whether there was one."""
    removed = agent.cleanup()
    click.echo("removed table inet portway" if removed else "there is no table inet portway here", err=True)
