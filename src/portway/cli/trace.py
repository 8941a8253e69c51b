"""`portway trace`."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import click
import msgspec
from msgspec.structs import replace

from portway.analysis import graph
from portway.analysis.because import because
from portway.analysis.becausedoor import because_of_door
from portway.analysis.finding import Finding
from portway.analysis.target import PLACE_FORMS, Place, Target, parse_place, parse_target
from portway.analysis.trace import Trace, trace
from portway.analysis.webtrace import Url, WebTrace, asked_host, follow, parse_url
from portway.cli import balancers, fitting, webdrawing
from portway.cli.agreement import agreement
from portway.cli.drawing import draw
from portway.cli.exec import place_named
from portway.cli.ground import Ground, of_fleet, of_sources
from portway.cli.probing import probed
from portway.cli.sources import source_options, tell_problems
from portway.model import Service
from portway.routing.hosts import host_of

_DOES_NOT_ARRIVE, _DISAGREES = 3, 4
_GRAPHS = {"mermaid": graph.mermaid, "dot": graph.dot}


@click.command()
@source_options
@click.argument("target")
@click.option("--from", "origin", default="outside", show_default=True, help=f"Where the client is: {PLACE_FORMS}.")
@click.option("--probe", is_flag=True, help="In a fleet: also send real packets, and say whether they agree.")
@click.option("-X", "--request", "method", default="GET", show_default=True, help="Of a URL: the method.")
@click.option("-H", "--header", "headers", multiple=True, metavar="NAME:VALUE", help="Of a URL: a header.")
@click.option(
    "-o", "--output", type=click.Choice(["table", "json", "mermaid", "dot"]), default="table", show_default=True
)
def command(
    sources: Sequence[str],
    name: str,
    kubeconfig: str | None,
    context: str | None,
    namespace: str,
    target: str,
    origin: str,
    probe: bool,
    method: str,
    headers: Sequence[str],
    output: str,
) -> None:
    """The way of one packet, hop by hop, to its end and the reason.

    TARGET is node-1:32100, svc/NAMESPACE/NAME:PORT (number or name), NAME.NAMESPACE:PORT as cluster DNS has it, or
    ADDRESS:PORT, with /udp for UDP. A URL such as https://shop.example/cart is followed through its Ingress or
    Gateway: listener, host, route, Service, pods. An address in it is the door's; -H Host:shop.example says the host.

    It happens in the running fleet; with -f in the cluster that the files would make (what is taken for granted is
    said), with --kubeconfig or --context in a live cluster, which is only read.

    Exit code 0: it arrives; 3: it does not; 4: the real packets of --probe disagree. One is
    sent, or as many as draw every backend where policies let only some be reached.
    """
    wanted = None if "://" in target else _target(target)
    url = _url(target) if wanted is None else None
    _place(origin)
    elsewhere = bool(sources or kubeconfig or context)
    if probe and elsewhere:
        raise click.UsageError("--probe sends a packet in a fleet; there is none behind -f, --kubeconfig or --context")
    here = of_sources(sources, name, context, kubeconfig, namespace) if elsewhere else of_fleet(name)
    if here.inputs:
        tell_problems(here.inputs)
    place = place_named(here.state, origin) if here.state else _place(origin)
    if url is not None:
        pairs = [(key.strip(), value.strip()) for key, _, value in (header.partition(":") for header in headers)]
        sys.exit(_follow(here, url, place, method, pairs, output))
    assert wanted is not None
    found = trace(here.terrain, place, wanted)
    fact = probed(here.state, [(place, found)])[0] if probe and here.state else None
    agrees = None if fact is None else agreement(found, fact)
    click.echo(_shown(here, found, fact, agrees, output))
    sys.exit(_DISAGREES if agrees is False else 0 if found.arrives else _DOES_NOT_ARRIVE)


def _shown(here: Ground, found: Trace, fact: dict[str, Any] | None, agrees: bool | None, output: str) -> str:
    if output in _GRAPHS:
        return _GRAPHS[output](found)
    fine = found.arrives and (fact is None or fact["outcome"] == "answered" or (found.refused and agrees))
    causes = () if fine else because(here.bundle(), found)
    if output == "json":
        return _json(found, fact, agrees, causes, here.assumptions)
    return fitting.shown([*draw(found, fact, agrees), *_causes(causes), *_assumed(here.assumptions)])


def _causes(causes: Sequence[Finding]) -> list[str]:
    lines = []
    for one in causes:
        lines.append(f"  {'because':8} {one.code} at {one.where.text}: {one.message}")
        if one.fix:
            lines.append(f"  {'fix':8} {one.fix.text}")
    return lines


def _assumed(codes: Sequence[str]) -> list[str]:
    return [f"  {'assumes':8} {', '.join(codes)} (portway explain)"] if codes else []


def _follow(here: Ground, url: Url, place: Place, method: str, headers: Sequence[tuple[str, str]], output: str) -> int:
    """A request, and the connection to its door's address before it; the exit code."""
    url = _inside(here, url)
    services = here.terrain.snapshot.services
    found = follow(here.routes, url, method, headers, {key: ips for key in services if (ips := _ips(services[key]))})
    service = services.get(found.service)
    address = url.address or next(iter(service.load_balancer_ips if service else ()), "")
    goal = Target(url.text, str(found.port), "TCP", host=address)
    way = trace(here.terrain, place, goal) if address else None
    if way and found.door:
        way = replace(way, undeclared=())  # its pod declares no port, and listens where its listeners say
    # Of files the door itself is not there: it comes with the first Ingress or Gateway.
    arrives = found.arrives and (way.arrives if way else here.state is None)
    causes = () if found.arrives else because_of_door(here.bundle(), found, host_of(asked_host(url, headers)))
    if output == "json":
        request = msgspec.to_builtins(found) | {"meaning": found.meaning}
        connection = None if way is None else json.loads(_json(way, None, None, (), ()))
        document = {"arrives": arrives, "connection": connection, "request": request}
        document["because"] = [msgspec.to_builtins(one) for one in causes]
        click.echo(json.dumps(document | {"assumptions": list(here.assumptions)}, indent=2))
    else:
        lines = [*(draw(way) if way else _without_address(here, found)), *webdrawing.draw(found), *_causes(causes)]
        click.echo(fitting.shown([*lines, *_assumed(here.assumptions)]))
    return 0 if arrives else _DOES_NOT_ARRIVE


def _ips(service: Service) -> tuple[str, ...]:
    """All at which clients may ask for it."""
    return (*service.load_balancer_ips, *service.external_ips, *service.cluster_ips)


def _inside(here: Ground, url: Url) -> Url:
    """An address of this machine is one of a LoadBalancer's inside the fleet, at a port of its own."""
    if here.state is None or not url.address:
        return url
    for (address, protocol, port), door in balancers.told(here.state.paths.host_doors).items():
        if (protocol, door.at) == ("TCP", f"{url.address}:{url.port}"):
            return replace(url, address=address, port=port)
    return url


def _without_address(here: Ground, found: WebTrace) -> list[str]:
    if here.state is None:
        return []
    return [f"Service {'/'.join(found.service)} has no address: nobody can connect"] if found.door else []


def _url(text: str) -> Url:
    try:
        return parse_url(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="TARGET") from None


def _place(text: str) -> Place:
    """As written; a bare word is a node's name, which the fleet knows."""
    try:
        return parse_place(
            text if "/" in text or ":" in text or text == "outside" or text[:1].isdigit() else f"node/{text}"
        )
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--from") from None


def _target(text: str) -> Target:
    try:
        return parse_target(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="TARGET") from None


def _json(
    found: Trace,
    fact: dict[str, Any] | None,
    agrees: bool | None,
    causes: Sequence[Finding],
    assumptions: Sequence[str],
) -> str:
    document = msgspec.to_builtins(found) | {"meaning": found.meaning, "assumptions": list(assumptions)}
    document["because"] = [msgspec.to_builtins(one) for one in causes]
    if fact is not None:
        document |= {"probe": fact, "agrees": agrees}
    return json.dumps(document, indent=2)
