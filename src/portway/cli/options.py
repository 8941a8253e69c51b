"""Options that several commands share, and the fleet they speak of."""

import click

from portway import fleet
from portway.cli.failure import Failure

fleet_name = click.option("--name", default="portway", show_default=True, envvar="PORTWAY_FLEET", help="Which fleet.")

output_format = click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True, help="Output format."
)


def running(name: str) -> fleet.FleetState:
    """The fleet of that name, or a Failure that says how to have one."""
    state = fleet.find(name)
    if state is None:
        start = "portway up" if name == "portway" else f"portway up --name {name}"
        raise Failure(f"no fleet {name!r} is running; start one with: {start}")
    return state
