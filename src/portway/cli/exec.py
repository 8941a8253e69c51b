"""`portway exec`."""

import sys

import click

from portway import fleet
from portway.analysis.target import Place, parse_place
from portway.cli import cluster
from portway.cli.failure import Failure
from portway.cli.options import fleet_name
from portway.client import Api
from portway.fleet import FleetState


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@fleet_name
@click.argument("place")
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED)
def command(name: str, place: str, argv: tuple[str, ...]) -> None:
    """Run a command inside: PLACE is outside, node-1 (or node/node-1) or pod/NAMESPACE/NAME.

    \b
    portway exec outside -- curl http://172.18.0.11:32100
    portway exec node-1 -- nft list table inet portway
    portway exec pod/shop/web-7d4b9c-x2k5p -- ip addr

    The command comes from this machine; its exit code is ours.
    """
    state = fleet.find(name)
    inside = list(argv[1:] if argv[0] == "--" else argv)
    if not inside:
        raise click.UsageError("which command? portway exec PLACE -- COMMAND [ARGUMENT]…")
    sys.exit(fleet.enter(state, namespace_of(state, place_named(state, place)), inside))


def place_named(state: FleetState, text: str) -> Place:
    """A place as people write it; a bare node name will do. Raises a usage error naming the forms."""
    if any(node.name == text for node in state.nodes):
        return Place("node", text)
    try:
        return parse_place(text)
    except ValueError as error:
        raise click.BadParameter(f"{error} (nodes: {', '.join(node.name for node in state.nodes)})") from None


def namespace_of(state: FleetState, place: Place) -> str:
    """The place's name in `fleet.enter`'s words."""
    if place.kind == "outside":
        return "outside"
    if place.kind == "node":
        if all(node.name != place.name for node in state.nodes):
            raise Failure(f"no node {place.name!r}; there are {', '.join(node.name for node in state.nodes)}")
        return place.name
    api = Api.unix(state.paths.api_socket)
    pod = cluster.ask(api, api.get(cluster.PODS, place.namespace, place.name))
    return f"pod:{pod['metadata']['uid']}"
