"""Options that several commands share."""

import click

fleet_name = click.option("--name", default="portway", show_default=True, envvar="PORTWAY_FLEET", help="Which fleet.")

output_format = click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True, help="Output format."
)
