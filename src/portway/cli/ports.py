"""`portway ports`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click
import msgspec

from portway import fleet
from portway.analysis import webtrace
from portway.analysis.ports import PortRow, rows
from portway.cli import balancers, cluster, table, webcluster, webdrawing
from portway.cli.options import fleet_name, output_format
from portway.client import Api
from portway.fleet import FleetState
from portway.fleet.hostdoors import HostDoor
from portway.model import Snapshot

_HEAD = ("NAMESPACE", "SERVICE", "TYPE", "CLUSTER-IP", "NAME", "NODEPORT", "PORT", "TARGETPORT", "READY")


@click.command()
@fleet_name
@click.option("-n", "--namespace", default="default", show_default=True, help="Only this namespace.")
@click.option("-A", "--all-namespaces", is_flag=True, help="All namespaces.")
@click.option("--kubeconfig", type=click.Path(exists=True, dir_okay=False), help="Another cluster than the fleet.")
@output_format
def command(name: str, namespace: str, all_namespaces: bool, kubeconfig: str | None, output: str) -> None:
    """Every Service port: nodePort → port → targetPort (its name and the numbers pods give it), ready/all backends.

    Then LoadBalancers: their addresses inside the fleet, and where each port answers from this machine. Then doors:
    the listeners of Ingresses and Gateways, with their hosts.
    """
    state = None if kubeconfig else fleet.find(name)
    api = Api.unix(state.paths.api_socket) if state else Api.from_kubeconfig(kubeconfig)
    seen = cluster.ask(api, cluster.read(api, "" if all_namespaces else namespace))
    found = rows(seen.snapshot)
    if output == "json":
        doors = balancers.told(state.paths.host_doors) if state else {}
        click.echo(json.dumps([_document(row, doors) for row in found], indent=2))
    elif found:
        balanced = balancers.lines(found, state.paths.host_doors) if state else []
        doors_of_7 = _doors(state, seen.snapshot) if state else []
        tables = [part for part in (drawn(found), balanced, doors_of_7) if part]
        click.echo("\n\n".join("\n".join(part) for part in tables))
    else:
        click.echo(f"no Services with ports {'' if all_namespaces else f'in namespace {namespace} '}", err=True)


def _doors(state: FleetState, snapshot: Snapshot) -> list[str]:
    """The listeners of Ingresses and Gateways whose Services are shown."""
    found = cluster.ask(api := Api.unix(state.paths.api_socket), webcluster.read(api))
    addresses = {key: service.load_balancer_ips for key, service in snapshot.services.items()}
    return webdrawing.lines(
        row for row in webtrace.rows(found, addresses) if webtrace.service_of(row.door) in addresses
    )


def _document(row: PortRow, doors: Mapping[balancers.Front, HostDoor]) -> dict[str, Any]:
    """The row, and for a LoadBalancer where it answers from this machine: one place, and that of each address."""
    document: dict[str, Any] = msgspec.to_builtins(row)
    if (door := balancers.first(row, doors)) is None:
        return document
    each = [
        {"address": one.address, "fromThisMachine": one.at, "note": one.problem} for one in balancers.found(row, doors)
    ]
    return document | {"fromThisMachine": door.at, "note": door.problem, "addresses": each}


def drawn(found: Sequence[PortRow], namespace: str = "") -> list[str]:
    """The table's lines, of one namespace or of all."""
    return table.lines(_HEAD, [_cells(row) for row in found if namespace in ("", row.namespace)])


def _cells(row: PortRow) -> tuple[str, ...]:
    return (
        row.namespace,
        row.service,
        row.type,
        ",".join(row.cluster_ips) or "<none>",
        row.port_name or "<unnamed>",
        f"{row.node_port}" if row.node_port else "-",
        f"{row.port}/{row.protocol}",
        _target(row),
        f"{row.ready}/{row.total}",
    )


def _target(row: PortRow) -> str:
    """`8080`; `http (3000,4000)`; `http (nobody's)` when no pod resolves the name."""
    if isinstance(row.target_port, int):
        return str(row.target_port)
    return f"{row.target_port} ({','.join(map(str, row.resolved)) or 'nobody has it'})"
