"""`portway down`."""

import click

from portway import fleet
from portway.cli.options import fleet_name


@click.command()
@fleet_name
@click.option("--all", "everything", is_flag=True, help="Every fleet of this user.")
def command(name: str, everything: bool) -> None:
    """Stop a fleet and remove its processes, namespaces, mounts and files."""
    for one in [state.name for state in fleet.fleets()] if everything else [name]:
        fleet.stop(one)
        click.echo(f"fleet {one} is down", err=True)
