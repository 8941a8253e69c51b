"""`portway up`."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from portway import fleet
from portway.analysis.ports import PortRow, rows
from portway.cli import balancers, cluster, doors, manifests, rollout, silences, table, webdoors
from portway.cli.apply import Applied, apply
from portway.cli.failure import Failure
from portway.cli.options import fleet_name, gateway_engine
from portway.cli.progress import Teller
from portway.client import Api
from portway.fleet import FleetConfig, FleetState, dnssocket
from portway.fleet.config import GatewayEngine
from portway.kubeapi import clusterdns, yaml
from portway.kubeapi.catalogue import by_kind
from portway.kubeapi.errors import ApiError

_DEFAULTS = FleetConfig()
_DOORS_SECONDS = 10.0


@click.command()
@fleet_name
@click.option("-f", "--filename", "sources", multiple=True, metavar="FILE|DIR|-", help="Manifests to apply.")
@click.option("--nodes", default=_DEFAULTS.nodes, show_default=True, help="How many nodes.")
@click.option("--detach", is_flag=True, help="Return when all is ready, instead of staying until Ctrl-C.")
@click.option(
    "--timeout", default=120.0, show_default=True, metavar="SECONDS", help="How long to wait until all is ready."
)
@click.option(
    "--node-port-range", default=_DEFAULTS.node_port_range, show_default=True, help="The API server's nodePorts."
)
@click.option("--service-cidr", default=",".join(_DEFAULTS.service_cidrs), show_default=True, help="One per family.")
@click.option("--pod-cidr", default=",".join(_DEFAULTS.pod_cidrs), show_default=True, help="One per family.")
@click.option(
    "--process",
    "programs",
    multiple=True,
    metavar="IMAGE[=PROGRAM]",
    help="Containers of that image run their command as a process of this machine; PROGRAM, if they name none.",
)
@click.option(
    "--cluster-domain", default=_DEFAULTS.cluster_domain, show_default=True, help="What names of Services end in."
)
@gateway_engine
def command(
    name: str,
    sources: Sequence[str],
    nodes: int,
    detach: bool,
    timeout: float,
    node_port_range: str,
    service_cidr: str,
    pod_cidr: str,
    programs: Sequence[str],
    cluster_domain: str,
    engine: GatewayEngine,
) -> None:
    """Start a fleet of nodes and pods, or apply files to the one that runs.

    Nodes and pods are network namespaces, no root is needed and nothing of this machine's network is touched. A
    container is a stand-in that listens on its containerPorts and says who it is; annotate a pod with
    portway.dev/runtime=process to run its command instead.
    """
    config = FleetConfig(
        name=name,
        nodes=nodes,
        node_port_range=node_port_range,
        service_cidrs=tuple(service_cidr.split(",")),
        pod_cidrs=tuple(pod_cidr.split(",")),
        programs=dict(_program(each) for each in programs),
        cluster_domain=cluster_domain,
        gateway_engine=engine,
    )
    documents = manifests.documents(sources)
    started = time.monotonic()
    state, new = fleet_named(config)
    try:
        asyncio.run(bring_up(state, documents, timeout, Teller(started)))
    except (Exception, KeyboardInterrupt):
        if new and not detach:
            fleet.stop(name)
        else:
            click.echo(f"fleet {name} runs on; portway down --name {name} takes it down", err=True)
        raise
    if not detach and new:
        _stay(name)


def _program(text: str) -> tuple[str, str]:
    image, _, program = text.partition("=")
    return image, str(Path(program).absolute()) if "/" in program else program


def fleet_named(config: FleetConfig) -> tuple[FleetState, bool]:
    """The running fleet of that name, or a new one."""
    running = next((state for state in fleet.fleets() if state.name == config.name), None)
    if running is not None:
        click.echo(f"fleet {config.name} is running: applying to it", err=True)
        return running, False
    from portway.cli.wiring import programs

    started = fleet.start(config, programs(config))
    started.wired()
    return started.state, True


async def bring_up(state: FleetState, documents: list[yaml.Document], timeout: float, tell: Teller) -> None:
    """Applies the documents and waits until everything runs and every nodePort answers from the host."""
    async with Api.unix(state.paths.api_socket) as api:
        await api.list(cluster.NODES)
        tell.done(f"API server at {state.api_url}")
        applied = [one async for one in apply(api, documents)]
        _say_applied(applied, tell)
        if refused := [one.refusal for one in applied if one.refusal]:
            raise Failure("\n".join(["refused, while everything else of these files is applied:", *refused]))
        await _wait(api, state, applied, timeout, tell)
        await _wait_for_names(api, state, timeout, tell)
        await _wait_for_doors(api, applied, timeout, tell)
        found = rows((await cluster.read(api)).snapshot)
        closed = await doors.until_open(found, [node.loopback for node in state.nodes], _DOORS_SECONDS)
        silent = await silences.until_open(api, state, found, _DOORS_SECONDS)
    if closed:
        raise Failure(f"these nodePorts do not answer from this machine: {', '.join(closed)}")
    _say_addresses(state, tell)
    _say_balancers(found, silent, state, tell)


def _say_applied(applied: list[Applied], tell: Teller) -> None:
    counts = Counter(one.outcome for one in applied if one.kind)
    if counts:
        tell.done(f"manifests: {', '.join(f'{n} {outcome}' for outcome, n in counts.items())}")
    inert = Counter(one.kind.kind for one in applied if one.kind and one.kind.inert and not one.refusal)
    if inert:
        tell.note(f"stored, but nothing acts on them here: {_listed(inert)}")
    unknown = Counter(one.name for one in applied if one.kind is None)
    if unknown:
        tell.note(f"left out, because this API server does not know them: {_listed(unknown)}")


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} ({n})" if n > 1 else name for name, n in sorted(counts.items()))


async def _wait(api: Api, state: FleetState, applied: list[Applied], timeout: float, tell: Teller) -> None:
    workloads = rollout.workloads([(one.kind, one.document) for one in applied if one.kind])
    progress = await rollout.until_ready(api, state.config.nodes, workloads, timeout, tell.progress)
    if not progress.done:
        so_far = f"{progress.nodes}/{progress.nodes_wanted} nodes, {progress.pods}/{progress.pods_wanted} pods"
        why = await rollout.reasons(api) or [f"{w.kind.kind} {w.namespace}/{w.name}" for w in progress.waiting]
        raise Failure("\n".join([f"not ready after {timeout:.0f} s ({so_far}):", *why]))
    tell.done(f"{progress.nodes} nodes ready")
    if workloads:
        tell.done(f"{progress.pods}/{progress.pods_wanted} pods ready")


async def _wait_for_names(api: Api, state: FleetState, timeout: float, tell: Teller) -> None:
    """Until cluster DNS answers, unless somebody has removed it."""
    kind = by_kind("apps/v1", "Deployment")
    assert kind is not None
    try:
        progress = await rollout.until_ready(
            api, 0, [rollout.Workload(kind, clusterdns.NAMESPACE, clusterdns.NAME)], timeout, lambda _: None
        )
    except ApiError as error:
        if error.code != 404:
            raise
        tell.note(f"no cluster DNS: {error.message}")
        return
    if not progress.done:
        why = await rollout.reasons(api)
        raise Failure("\n".join([f"cluster DNS does not answer after {timeout:.0f} s:", *why]))
    inside = ", ".join(clusterdns.addresses(state.config.service_cidrs))
    tell.done(f"DNS at {inside}" + (f", from this machine at {state.dns}" if state.dns else ""))
    if state.dns and (moved := dnssocket.note(int(state.dns.rpartition(":")[2]))):
        tell.note(f"DNS: {moved}")


async def _wait_for_doors(api: Api, applied: list[Applied], timeout: float, tell: Teller) -> None:
    """Of Ingresses and Gateways, if any were applied."""
    if any(one.kind and webdoors.has_door(one.kind) for one in applied):
        waiting = await webdoors.until_ready(api, timeout)
        if waiting:
            raise Failure("\n".join([f"not ready after {timeout:.0f} s:", *waiting]))
        tell.done("doors ready")


def _say_addresses(state: FleetState, tell: Teller) -> None:
    nodes = [(node.name, node.loopback, ", ".join(node.addresses)) for node in state.nodes]
    tell.plain("")
    for line in table.lines(("NODE", "FROM THIS MACHINE", "INSIDE"), nodes):
        tell.plain(line)
    other = "" if state.name == "portway" else f" --name {state.name}"
    tell.plain("")
    tell.plain(f"kubectl:  export KUBECONFIG={state.paths.kubeconfig}")
    tell.plain(f"look:     portway ports -A{other}    portway trace {state.nodes[0].name}:NODEPORT{other}")


def _say_balancers(found: Sequence[PortRow], silent: list[str], state: FleetState, tell: Teller) -> None:
    lines = balancers.lines(found, state.paths.host_doors)
    for line in ["", *lines] if lines else []:
        tell.plain(line)
    for one in silent:
        tell.note(f"does not answer from this machine: {one}")


def _stay(name: str) -> None:
    click.echo("\nCtrl-C takes it down.", err=True)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        while any(state.name == name for state in fleet.fleets()):
            time.sleep(0.5)
        raise Failure(f"fleet {name} has ended")
    except KeyboardInterrupt:
        fleet.stop(name)
        click.echo(f"\nfleet {name} is down", err=True)
