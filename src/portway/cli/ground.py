"""What a trace walks: a fleet as its agents know it, or the cluster of a bundle, with the doors of layer 7."""

from collections.abc import Callable, Sequence

import click
from msgspec import Struct

from portway import fleet
from portway.analysis.bundle import Bundle
from portway.analysis.imagined import imagine
from portway.analysis.trace import Terrain
from portway.analysis.view import word
from portway.cli import cluster, sources, standins, webcluster
from portway.cli.readable import readable
from portway.cli.terrain import terrain
from portway.client import Api
from portway.fleet import FleetState
from portway.kubeapi.doorclasses import GATEWAY_CONTROLLER, INGRESS_CONTROLLER
from portway.kubeapi.errors import Doc
from portway.kubeapi.ingress import CLASS_ANNOTATION
from portway.kubeapi.ingressclass import DEFAULT_ANNOTATION
from portway.routing.table import RouteTable


class Ground(Struct, frozen=True):
    """Where a trace happens."""

    terrain: Terrain
    routes: RouteTable
    bundle: Callable[[], Bundle]
    """The objects, for evidence; read when asked for."""
    assumptions: tuple[str, ...] = ()
    state: FleetState | None = None
    """The fleet, where there is one to send packets in."""
    inputs: sources.Inputs | None = None
    drawn: frozenset[tuple[str, str, int]] = frozenset()
    """nodePorts that nobody wrote: (namespace, Service, port)."""


def of_fleet(name: str) -> Ground:
    """A running fleet."""
    state = fleet.find(name)
    api = Api.unix(state.paths.api_socket)

    async def read() -> tuple[cluster.Cluster, RouteTable]:
        return await cluster.read_for_trace(api), await webcluster.read(api)

    def bundle() -> Bundle:
        again = Api.unix(state.paths.api_socket)
        return cluster.ask(again, sources.from_cluster(again)).bundle

    seen, routes = cluster.ask(api, read())
    return Ground(terrain(state, seen), routes, bundle, state=state)


def of_sources(files: Sequence[str], name: str, context: str | None, kubeconfig: str | None, namespace: str) -> Ground:
    """Files, a snapshot or a live cluster."""
    return of_inputs(readable(sources.select(files, name, context, kubeconfig, namespace)))


def of_inputs(inputs: sources.Inputs) -> Ground:
    """The cluster that objects make. Those that no API server would take are told on stderr: they are not in it."""
    made = imagine(inputs.bundle)
    for refusal in made.refused:
        place = f"{refusal.item.where().text}: " if refusal.item.file else ""
        click.echo(f"portway: {place}left out, the API server would refuse it: {refusal.error.message}", err=True)
    stand_ins = {"Secret": standins.secrets(inputs.bundle), "ConfigMap": standins.authorities(inputs.bundle)}
    stood = {kind: _with(found, kind, inputs.bundle) for kind, found in stand_ins.items() if found}
    given = {**made.documents, **stood}
    routes = webcluster.table_of(lambda kind: _documents(inputs.bundle, given, kind))
    assumed = (*made.assumptions, *(["ASSUME_TLS_SECRETS"] if stood else []))
    return Ground(made.terrain, routes, lambda: inputs.bundle, assumed, inputs=inputs, drawn=made.drawn)


def _with(stand_ins: Sequence[Doc], kind: str, bundle: Bundle) -> tuple[Doc, ...]:
    """A bundle's documents of a kind, but for those for which others stand in."""
    names = {(doc["metadata"]["namespace"], doc["metadata"]["name"]) for doc in stand_ins}
    return (*stand_ins, *(item.value for item in bundle.of(kind) if item.key not in names))


def _classes(bundle: Bundle, kind: str) -> list[Doc]:
    """A class of ours for each that is named here; Ingresses without one get the default."""
    ingress = kind == "IngressClass"
    names = {item.name for item in bundle.of(kind)}
    names |= {
        word(i.get("spec.ingressClassName")) or word(i.annotations.get(CLASS_ANNOTATION)) for i in bundle.of("Ingress")
    }
    names |= {word(item.get("spec.gatewayClassName")) for item in bundle.of("Gateway")}
    spec = {"controller": INGRESS_CONTROLLER} if ingress else {"controllerName": GATEWAY_CONTROLLER}
    named = [{"metadata": {"name": name}, "spec": spec} for name in sorted(names) if name]
    default = {"metadata": {"name": "-", "annotations": {DEFAULT_ANNOTATION: "true"}}, "spec": spec}
    return [*named, default] if ingress else named


def _documents(bundle: Bundle, made: object, kind: str) -> list[Doc]:
    """What the imagined cluster has of a kind, else what the bundle has; doors of any class are taken for ours."""
    if kind in ("IngressClass", "GatewayClass"):
        return _classes(bundle, kind)
    imagined = made.get(kind) if isinstance(made, dict) else None
    return list(imagined) if imagined is not None else [item.value for item in bundle.of(kind)]
