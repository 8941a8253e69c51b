"""`portway status`."""

from collections import Counter
from pathlib import Path

import click
import msgspec

from portway import fleet
from portway.analysis.ports import rows
from portway.cli import balancers, cluster, table
from portway.cli.options import fleet_name, output_format
from portway.client import Api
from portway.fleet import FleetState, hostdoors
from portway.kubeapi.errors import Doc


@click.command()
@fleet_name
@output_format
def command(name: str, output: str) -> None:
    """Nodes with their addresses, pods, the API server and the kubeconfig of a fleet."""
    state = fleet.find(name)
    api = Api.unix(state.paths.api_socket)
    seen = cluster.ask(api, cluster.read(api))
    pods = seen.pods
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(_document(state, pods)), indent=2))
    else:
        balanced = balancers.lines(rows(seen.snapshot), state.paths.host_doors)
        click.echo("\n".join([*_lines(state, pods), *(["", *balanced] if balanced else [])]))


def _document(state: FleetState, pods: list[Doc]) -> Doc:
    known: Doc = msgspec.to_builtins(state)
    return known | {
        "kubeconfig": str(state.paths.kubeconfig),
        "nodes": [msgspec.to_builtins(node) for node in state.nodes],
        "processes": processes(state.keeper_pid),
        "pods": {"ready": sum(map(is_ready, pods)), "total": len(pods)},
        "loadBalancers": msgspec.to_builtins(hostdoors.read(state.paths.host_doors)),
    }


def _lines(state: FleetState, pods: list[Doc]) -> list[str]:
    on_node = Counter(pod["spec"].get("nodeName", "") for pod in pods)
    ready_on = Counter(pod["spec"].get("nodeName", "") for pod in pods if is_ready(pod))
    rows = [
        (node.name, node.loopback, ",".join(node.addresses), f"{ready_on[node.name]}/{on_node[node.name]}")
        for node in state.nodes
    ]
    return [
        f"fleet       {state.name}",
        f"API server  {state.api_url}",
        f"kubeconfig  {state.paths.kubeconfig}",
        f"DNS         {state.dns or 'not on this machine: see logs/keeper.log'}",
        f"pods        {sum(map(is_ready, pods))}/{len(pods)} ready",
        "",
        *table.lines(("NODE", "FROM THIS MACHINE", "INSIDE", "PODS READY"), rows),
    ]


def is_ready(pod: Doc) -> bool:
    """The pod's Ready condition is True."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def processes(keeper: int) -> list[Doc]:
    """The fleet's processes, name and id as this machine counts them: the keeper and all that were forked from it."""
    try:
        children = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
        name = Path(f"/proc/{keeper}/comm").read_text().strip()
    except OSError:
        return []
    return [{"name": name, "pid": keeper}, *(one for child in children for one in processes(int(child)))]
