"""Options that several commands share."""

import click

fleet_name = click.option("--name", default="portway", show_default=True, envvar="PORTWAY_FLEET", help="Which fleet.")

output_format = click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True, help="Output format."
)

gateway_engine = click.option(
    "--gateway-engine",
    "engine",
    type=click.Choice(["auto", "haproxy", "builtin"]),
    default="auto",
    show_default=True,
    help="Of Ingress and Gateway doors; auto: HAProxy where it is installed, else the built-in router.",
)
