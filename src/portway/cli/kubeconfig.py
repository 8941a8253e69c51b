"""`portway kubeconfig`."""

import click

from portway import fleet
from portway.cli.options import fleet_name


@click.command()
@fleet_name
def command(name: str) -> None:
    """Print the fleet's kubeconfig: `kubectl --kubeconfig <(portway kubeconfig) get pods -A`."""
    click.echo(fleet.find(name).paths.kubeconfig.read_text(), nl=False)
