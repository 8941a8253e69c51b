"""`portway cleanup`."""

import click

from portway import agent


@click.command()
def command() -> None:
    """Remove Portway's own nftables table from this network namespace, and nothing else.

    For a node on which `portway` served; a fleet cleans up by itself.
    """
    removed = agent.cleanup()
    click.echo("removed table inet portway" if removed else "there is no table inet portway here", err=True)
