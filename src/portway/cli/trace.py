"""`portway trace`."""

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from portway import fleet
from portway.analysis.target import PLACE_FORMS, Place, Target, parse_target
from portway.analysis.trace import Trace, trace
from portway.analysis.webtrace import WebTrace, follow, parse_url
from portway.cli import cluster, webcluster, webdrawing
from portway.cli.drawing import draw
from portway.cli.exec import place_named
from portway.cli.failure import Failure
from portway.cli.options import fleet_name, output_format
from portway.cli.terrain import terrain
from portway.client import Api
from portway.fleet import FleetState
from portway.routing.table import RouteTable

_DOES_NOT_ARRIVE, _DISAGREES = 3, 4


@click.command()
@fleet_name
@click.argument("target")
@click.option("--from", "origin", default="outside", show_default=True, help=f"Where the client is: {PLACE_FORMS}.")
@click.option("--probe", is_flag=True, help="Also send a real packet, and say whether it agrees.")
@click.option("-X", "--request", "method", default="GET", show_default=True, help="Of a URL: the method.")
@click.option("-H", "--header", "headers", multiple=True, metavar="NAME:VALUE", help="Of a URL: a header.")
@output_format
def command(name: str, target: str, origin: str, probe: bool, method: str, headers: Sequence[str], output: str) -> None:
    """The way of one packet, hop by hop, to its end and the reason.

    TARGET is node-1:32100, svc/NAMESPACE/NAME:PORT (number or name) or ADDRESS:PORT, with /udp for UDP. A URL such as
    https://shop.example/cart is followed through its Ingress or Gateway: listener, host, route, Service, pods.

    Exit code 0: it arrives; 3: it does not; 4: the real packet of --probe disagrees.
    """
    if "://" in target:
        _follow(name, target, origin, method, headers, output)
        return
    wanted = _target(target)
    state = fleet.find(name)
    place = place_named(state, origin)
    seen = cluster.ask(api := Api.unix(state.paths.api_socket), cluster.read_for_trace(api))
    found = trace(terrain(state, seen), place, wanted)
    fact = _probe(state, place, found) if probe else None
    agrees = None if fact is None else agreement(found, fact)
    click.echo(_json(found, fact, agrees) if output == "json" else "\n".join(draw(found, fact, agrees)))
    sys.exit(_DISAGREES if agrees is False else 0 if found.arrives else _DOES_NOT_ARRIVE)


def _follow(name: str, text: str, origin: str, method: str, headers: Sequence[str], output: str) -> None:
    """A request, and the connection to its door's address before it."""
    try:
        url = parse_url(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="TARGET") from None
    pairs = [(key.strip(), value.strip()) for key, _, value in (header.partition(":") for header in headers)]
    state = fleet.find(name)
    place = place_named(state, origin)
    api = Api.unix(state.paths.api_socket)
    seen, table = cluster.ask(api, _read_both(api))
    found = follow(table, url, method, pairs)
    service = seen.snapshot.services.get(found.service)
    address = next(iter(service.load_balancer_ips if service else ()), "")
    way = trace(terrain(state, seen), place, Target(text, str(found.port), "TCP", host=address)) if address else None
    arrives = found.arrives and way is not None and way.arrives
    if output == "json":
        request = msgspec.to_builtins(found) | {"meaning": found.meaning}
        connection = None if way is None else json.loads(_json(way, None, None))
        click.echo(json.dumps({"arrives": arrives, "connection": connection, "request": request}, indent=2))
    else:
        click.echo("\n".join([*(draw(way) if way else _without_address(found)), *webdrawing.draw(found)]))
    sys.exit(0 if arrives else _DOES_NOT_ARRIVE)


async def _read_both(api: Api) -> tuple[cluster.Cluster, RouteTable]:
    return await cluster.read_for_trace(api), await webcluster.read(api)


def _without_address(found: WebTrace) -> list[str]:
    return [f"Service {'/'.join(found.service)} has no address: nobody can connect"] if found.door else []


def _target(text: str) -> Target:
    try:
        return parse_target(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="TARGET") from None


def _json(found: Trace, fact: dict[str, Any] | None, agrees: bool | None) -> str:
    document = msgspec.to_builtins(found) | {"meaning": found.meaning}
    if fact is not None:
        document |= {"probe": fact, "agrees": agrees}
    return json.dumps(document, indent=2)


def _probe(state: FleetState, place: Place, found: Trace) -> dict[str, Any]:
    """What a real packet from there meets; where no packet can be made, none is sent."""
    if found.packet is None:
        return {"outcome": "unreachable"}
    return send(state, place, found.packet.destination, found.packet.port, found.packet.protocol)


def send(state: FleetState, place: Place, address: str, port: int, protocol: str) -> dict[str, Any]:
    """Sends one real packet from `place` and returns what came of it (see portway.cli.probe)."""
    where = place.name if place.kind == "node" else str(place)
    inside = ["exec", "--name", state.name, where, "--", sys.executable, "-m", "portway.cli.probe"]
    argv = [sys.executable, "-m", "portway", *inside, address, str(port), protocol]
    run = subprocess.run(argv, capture_output=True, text=True)
    if run.returncode:
        raise Failure(f"the probe could not run: {run.stderr.strip()}")
    fact: dict[str, Any] = json.loads(run.stdout)
    return fact


def agreement(found: Trace, fact: dict[str, Any]) -> bool:
    """Whether the packet met what the trace says: an answer from a candidate, a refusal, or silence."""
    if fact["outcome"] == "silent" and any(not fate.allowed for fate in found.judged):
        return True
    if fact["outcome"] == "answered":
        return found.arrives and _by_a_candidate(found, fact.get("reply", {}))
    if found.disposition == "drop":
        return bool(fact["outcome"] == "silent")
    if found.arrives:
        return False
    return fact["outcome"] in ("refused", "unreachable") or found.disposition == "pass"


def _by_a_candidate(found: Trace, reply: dict[str, Any]) -> bool:
    """A process pod answers in its own words: then any answer will do."""
    names = {backend.target for backend in found.backends} - {f.backend.target for f in found.judged if not f.allowed}
    return "pod" not in reply or not names or reply["pod"] in names
