"""`portway demo`."""

import asyncio
import json
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import click

from portway import fleet
from portway.analysis.ports import rows
from portway.analysis.target import Place, parse_target
from portway.analysis.trace import trace
from portway.cli import balancers, cluster, demodoors, fitting, manifests, silences, webdoors
from portway.cli.apply import apply
from portway.cli.drawing import draw
from portway.cli.failure import Failure
from portway.cli.options import gateway_engine
from portway.cli.ports import drawn
from portway.cli.probing import send
from portway.cli.progress import Teller
from portway.cli.terrain import terrain
from portway.cli.up import bring_up, fleet_named
from portway.client import Api
from portway.fleet import FleetConfig, FleetState
from portway.fleet.config import GatewayEngine
from portway.kubeapi import yaml
from portway.kubeapi.errors import Doc

_NODE_PORT = 32100
_REQUESTS = 60
_DOORS_SECONDS = 30.0


@click.command()
@click.option("--name", default="demo", show_default=True, help="The fleet's name.")
@click.option("--keep", is_flag=True, help="Leave the fleet running at the end.")
@gateway_engine
def command(name: str, keep: bool, engine: GatewayEngine) -> None:
    """Start examples/shop, curl web on every node, front at its own address, api and db from a pod and all through
    doors, lose a backend, take it all down.

    \b
    web    NodePort 32100 -> port 80 -> targetPort 8080
    front  LoadBalancer
    api    a named targetPort that is another number in each of two Deployments
    db     headless
    doors  an Ingress with TLS, a Gateway with HTTP and TCP
    """
    started = time.monotonic()
    config = FleetConfig(name=name, gateway_engine=engine)
    state, new = fleet_named(config)
    if not new:
        raise Failure(f"a fleet {name!r} is running already; take it down first: portway down --name {name}")
    try:
        asyncio.run(bring_up(state, manifests.documents([str(shop())]), 60.0, Teller(started)))
        _tour(state)
        _doors(state)
    finally:
        if not keep:
            fleet.stop(name)
    click.secho(f"\ndone in {time.monotonic() - started:.1f} s; ", bold=True, nl=False)
    click.echo(f"the fleet {name} {'is still up' if keep else 'is down and nothing of it is left'}")


def shop() -> Path:
    """The folder of examples/shop, in an installed package or in a checkout."""
    here = Path(__file__).resolve()
    places = [here.parents[1] / "examples" / "shop", here.parents[3] / "examples" / "shop"]
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise Failure(f"examples/shop is missing; it was looked for in {' and '.join(map(str, places))}")
    return found


def _tour(state: FleetState) -> None:
    seen = _read(state)
    _title("What leads where", "portway ports -n shop")
    click.echo("\n".join(drawn(rows(seen.snapshot), "shop")))
    _every_node(state)
    _own_address(state, seen)
    _from_a_pod(state, seen)
    _title("The way of one packet", f"portway trace node-1:{_NODE_PORT}")
    found = trace(terrain(state, seen), Place("outside"), parse_target(f"node-1:{_NODE_PORT}"))
    click.echo(fitting.shown(draw(found)))
    asyncio.run(_lose_a_backend(state))


def _doors(state: FleetState) -> None:
    folder = shop() / "doors"
    _title("Doors of layer 7", f"kubectl apply -f {folder}; portway trace https://shop.example/api")
    documents = manifests.documents([str(folder)])
    cluster.ask(api := Api.unix(state.paths.api_socket), _open(api, documents, state))
    demodoors.ask_each(state, [one.value for one in documents])


async def _open(api: Api, documents: list[yaml.Document], state: FleetState) -> None:
    """Applies them and waits until they answer."""
    if refused := [one.refusal async for one in apply(api, documents) if one.refusal]:
        raise Failure("\n".join(refused))
    waiting = await webdoors.until_ready(api, _DOORS_SECONDS)
    found = rows((await cluster.read(api)).snapshot)
    if waiting := waiting or await silences.until_open(api, state, found, _DOORS_SECONDS):
        raise Failure("\n".join(waiting))


def _read(state: FleetState) -> cluster.Cluster:
    return cluster.ask(api := Api.unix(state.paths.api_socket), cluster.read(api))


def _title(text: str, how: str) -> None:
    click.echo(f"\n{click.style(text, bold=True)}  {click.style('$ ' + how, dim=True)}")


def _every_node(state: FleetState) -> None:
    _title("web answers on every node", f"curl http://{state.nodes[0].loopback}:{_NODE_PORT}")
    for node in state.nodes:
        said = [_get(f"{node.loopback}:{_NODE_PORT}") for _ in range(24)]
        counts = Counter(f"{one['pod']} on {one['node']}" for one in said)
        click.echo(f"{node.name} {node.loopback}:{_NODE_PORT} → {', '.join(sorted(counts))}")


def _own_address(state: FleetState, seen: cluster.Cluster) -> None:
    row = next(row for row in rows(seen.snapshot) if (row.namespace, row.service) == ("shop", "front"))
    door = balancers.first(row, balancers.told(state.paths.host_doors))
    if door is None or not door.at:
        raise Failure("shop/front has no address: kubectl -n shop describe service front says why")
    _title("front has an address of its own", f"curl http://{door.at}")
    said = Counter(_get(door.at)["pod"] for _ in range(24))
    click.echo(f"{', '.join(row.load_balancer_ips)}, here {door.at} → {', '.join(sorted(said))}")


def _get(socket: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://{socket}/", timeout=5) as reply:
        said: dict[str, Any] = json.load(reply)
    return said


def _from_a_pod(state: FleetState, seen: cluster.Cluster) -> None:
    web = next(pod for pod in seen.pods if pod["metadata"].get("labels", {}).get("app") == "web")
    place = Place("pod", web["metadata"]["name"], "shop")
    api_address = seen.snapshot.services[("shop", "api")].cluster_ips[0]
    database = next(pod for pod in seen.pods if pod["metadata"].get("labels", {}).get("app") == "db")
    _title("api and db, from a pod", f"portway exec {place} -- curl http://{api_address}")
    for service, address, port in (
        ("api", api_address, 80), ("api", api_address, 80), ("api", api_address, 80),
        ("db", database["status"]["podIP"], 5432),
    ):  # fmt: skip
        said = send(state, place, address, port, "TCP").get("reply", {})
        click.echo(f"{service} {address}:{port} → {said.get('pod')} port {said.get('port')}")


async def _lose_a_backend(state: FleetState) -> None:
    """Deletes one of three web pods while every node is asked again and again."""
    async with Api.unix(state.paths.api_socket) as api:
        pods, _ = await api.list(cluster.PODS, "shop", label_selector="app=web")
        gone = pods[0]["metadata"]["name"]
        _title("one backend dies", f"kubectl -n shop delete pod {gone}")
        before = await _answers(state)
        await api.delete(cluster.PODS, "shop", gone, grace_seconds=1)
        during = await _answers(state)
        await _replaced(api, pods)
        after = await _answers(state)
    for moment, answers in (("before", before), ("while it dies", during), ("after", after)):
        failed = answers.pop("", 0)
        share = ", ".join(f"{pod} {n}" for pod, n in sorted(answers.items()))
        click.echo(f"{moment:14} {_REQUESTS} requests, {failed} failed: {share}")


async def _answers(state: FleetState) -> Counter[str]:
    """Who answered how many of the requests, dealt to the nodes in turn; "" for those that failed."""
    addresses = [state.nodes[i % len(state.nodes)].loopback for i in range(_REQUESTS)]
    return Counter(await asyncio.gather(*(asyncio.to_thread(_who, address) for address in addresses)))


def _who(address: str) -> str:
    try:
        return str(_get(f"{address}:{_NODE_PORT}")["pod"])
    except OSError:
        return ""


async def _replaced(api: Api, before: list[Doc]) -> None:
    """Waits until as many pods as before are behind the Service, without the one that died."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        slices, _ = await api.list(cluster.SLICES, "shop", label_selector="kubernetes.io/service-name=web")
        ready = {e["targetRef"]["name"] for s in slices for e in s["endpoints"] or [] if e["conditions"]["ready"]}
        if len(ready) == len(before) and before[0]["metadata"]["name"] not in ready:
            return
        await asyncio.sleep(0.05)
    raise Failure("the lost pod was not replaced within 20 s: kubectl -n shop get pods says more")
