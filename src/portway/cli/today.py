"""Today's policies for a report: of a fleet, or of the cluster that a kubeconfig names."""

from collections.abc import Iterator
from pathlib import Path

from portway.accesslog.names import PortKey
from portway.accesslog.today import Now
from portway.cli import cluster
from portway.cli.cluster import Cluster
from portway.client import Api
from portway.fleet import FleetState
from portway.model import EndpointSlice, Service


def now_of(state: FleetState | None, kubeconfig: Path | None) -> Now | None:
    """None when there is nobody to ask: files alone know no policies. Raises ApiError, Unreachable, BadKubeconfig."""
    if kubeconfig is not None:
        return _now(cluster.ask(api := Api.from_kubeconfig(str(kubeconfig)), cluster.read_with_policies(api)))
    if state is None:
        return None
    return _now(cluster.ask(api := Api.unix(state.paths.api_socket), cluster.read_with_policies(api)))


def _now(seen: Cluster) -> Now:
    from portway.policy import inputs_of

    judge = inputs_of(seen.policies, "").judge
    pods = {key: pod.addresses for key, pod in seen.policies.pods.items() if pod.has_policies}
    return Now(judge, pods, dict(_backends(seen)))


def _backends(seen: Cluster) -> Iterator[tuple[PortKey, list[tuple[str, int]]]]:
    slices: dict[tuple[str, str], list[EndpointSlice]] = {}
    for piece in seen.snapshot.slices.values():
        slices.setdefault((piece.namespace, piece.service), []).append(piece)
    for key, service in seen.snapshot.services.items():
        yield from _backends_of(service, slices.get(key, []))


def _backends_of(service: Service, slices: list[EndpointSlice]) -> Iterator[tuple[PortKey, list[tuple[str, int]]]]:
    for port in service.ports:
        ready = [
            (endpoint.address, target.port)
            for piece in slices
            for target in piece.ports
            if (target.name, target.protocol) == (port.name, port.protocol) and target.port
            for endpoint in piece.endpoints
            if endpoint.ready
        ]
        yield PortKey(service.namespace, service.name, port.name, port.port, port.protocol), ready
