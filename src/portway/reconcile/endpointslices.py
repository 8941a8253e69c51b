"""Service and pods → EndpointSlices.

Source: k8s.io/endpointslice reconciler.go; research 4.1-4.6.
"""

from collections.abc import Mapping, Sequence

from portway.kubeapi.errors import Doc
from portway.reconcile import backends, hints, slicing, topology
from portway.reconcile.change import Change, Create, Delete, Event, Update
from portway.reconcile.objects import (
    annotations_of,
    controller_reference,
    is_deleting,
    labels_of,
    meta,
    name_of,
    namespace_of,
    uid_of,
    with_metadata,
)
from portway.reconcile.resources import ENDPOINT_SLICES
from portway.reconcile.slicing import Plan, PortsKey

CONTROLLER = "endpointslice-controller.k8s.io"
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
HEADLESS = "service.kubernetes.io/headless"
_RESERVED = {SERVICE_NAME: "", MANAGED_BY: "", HEADLESS: ""}
COMPONENT = "endpoint-slice-controller"
MOST_ENDPOINTS = 100


def reconcile(
    service: Doc,
    pods: Sequence[Doc],
    slices: Sequence[Doc],
    nodes: Mapping[str, Doc],
    trigger_time: str = "",
    most: int = MOST_ENDPOINTS,
    zonal: set[str] | None = None,
) -> list[Change]:
    """The slices' changes.

    `pods`: those the Service selects. `slices`: those labelled as this Service's and managed by this controller.
    `nodes`: by name; a pod on a node that is not there yet is left out (unless not-ready addresses are published):
    call again when it comes. `trigger_time`: RFC 3339, what caused this, for the slices that are written.
    `zonal`: the address types whose hints the topology annotation made, as the last call for this Service left it; when
    that changes, an Event says so.
    """
    if not backends.is_managed(service):
        return []
    plan = Plan()
    events: list[Change] = []
    families = backends.address_types(service)
    for slice_ in slices:
        if not _owned(slice_, service) or slice_.get("addressType") not in families:
            plan.delete.append(slice_)
    for family in families:
        mine = [s for s in slices if s.get("addressType") == family and _owned(s, service)]
        hinted, event = _hinted(_by_family(service, pods, mine, nodes, family, most), service, nodes, family, zonal)
        plan.extend(hinted)
        events += event
    _recycle(plan, service)
    return _changes(plan, service, trigger_time) + events


def _owned(slice_: Doc, service: Doc) -> bool:
    return any(ref.get("uid") == uid_of(service) for ref in meta(slice_).get("ownerReferences") or [])


def _by_family(
    service: Doc, pods: Sequence[Doc], slices: Sequence[Doc], nodes: Mapping[str, Doc], family: str, most: int
) -> Plan:
    wanted: dict[PortsKey, tuple[list[Doc], list[Doc]]] = {}
    for pod in pods:
        node = nodes.get((pod.get("spec") or {}).get("nodeName") or "")
        if not backends.belongs(pod) or (node is None and not backends.publishes_not_ready(service)):
            continue
        endpoint = backends.endpoint(pod, node, service, family)
        if endpoint["addresses"]:
            ports = backends.endpoint_ports(pod, service)
            wanted.setdefault(slicing.ports_key(ports), (ports, []))[1].append(endpoint)
    existing: dict[PortsKey, list[Doc]] = {}
    for slice_ in slices:
        existing.setdefault(slicing.ports_key(slice_.get("ports")), []).append(slice_)
    plan = Plan(delete=[s for key, group in existing.items() if key not in wanted for s in group])
    for key, (ports, endpoints) in wanted.items():
        plan.extend(_packed(service, existing.get(key, []), endpoints, ports, family, most))
    _keep_placeholder(plan, service, family, len(slices))
    return plan


def _packed(
    service: Doc, existing: Sequence[Doc], endpoints: Sequence[Doc], ports: list[Doc], family: str, most: int
) -> Plan:
    return slicing.pack(
        existing,
        endpoints,
        lambda: new_slice(service, family, ports),
        lambda old: relabelled(old, service),
        most,
    )


def _keep_placeholder(plan: Plan, service: Doc, family: str, existing: int) -> None:
    """A Service without endpoints has exactly one empty slice, so that its watchers know it was looked at."""
    if existing != len(plan.delete) or plan.create:
        return
    placeholder = new_slice(service, family, [])
    if len(plan.delete) == 1 and _is_placeholder(plan.delete[0], placeholder):
        plan.unchanged.append(plan.delete.pop())
    else:
        plan.create.append(placeholder)


def _is_placeholder(slice_: Doc, placeholder: Doc) -> bool:
    same = labels_of(slice_) == labels_of(placeholder) and namespace_of(slice_) == namespace_of(placeholder)
    return same and not slice_.get("endpoints") and not slice_.get("ports")


def new_slice(service: Doc, family: str, ports: Sequence[Doc]) -> Doc:
    """A slice without endpoints and without a name."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": f"{name_of(service)}-",
            "namespace": namespace_of(service),
            "labels": slice_labels(service),
            "ownerReferences": [controller_reference(service, "v1", "Service")],
        },
        "addressType": family,
        "endpoints": [],
        "ports": list(ports),
    }


def slice_labels(service: Doc) -> dict[str, str]:
    """The Service's own labels and those that only this controller sets."""
    labels = backends.service_labels(service, _RESERVED)
    if not backends.has_cluster_ip(service):
        labels[HEADLESS] = ""
    return labels | {SERVICE_NAME: name_of(service), MANAGED_BY: CONTROLLER}


def relabelled(slice_: Doc, service: Doc) -> tuple[Doc, bool]:
    """The slice with the Service's labels, and whether they differ. Reserved labels alone are no reason to write."""
    have = {key: value for key, value in labels_of(slice_).items() if key not in _RESERVED}
    stale = have != backends.service_labels(service, _RESERVED)
    return with_metadata(slice_, labels=slice_labels(service)), stale


def _hinted(
    plan: Plan, service: Doc, nodes: Mapping[str, Doc], family: str, zonal: set[str] | None
) -> tuple[Plan, list[Event]]:
    """The plan with every endpoint's hints right, and what is to be told of the topology annotation."""
    known = zonal if zonal is not None else set()
    was, failure = family in known, topology.DISABLED
    known.discard(family)
    if hints.topology_mode_auto(annotations_of(service)):
        try:
            plan = topology.hinted(plan, topology.ratios(topology.cpu_by_zone(nodes.values())))
        except topology.Unallocatable as reason:
            failure, was = str(reason), True
        else:
            known.add(family)
            return plan, [] if was else [_told(service, "Normal", "Enabled", topology.ENABLED, family)]
    plan = _distributed(plan, hints.distribution_of(service))
    return plan, [_told(service, "Warning", "Disabled", failure, family)] if was else []


def _told(service: Doc, kind: str, what: str, message: str, family: str) -> Event:
    reason = f"TopologyAwareHints{what}"
    return Event(service, kind, reason, f"{message}, addressType: {family}", COMPONENT)


def _distributed(plan: Plan, distribution: str) -> Plan:
    """The plan with hints as trafficDistribution wants them; an untouched slice with wrong hints is written, too."""
    for slice_ in (*plan.create, *plan.update):
        slice_["endpoints"] = hints.hinted(slice_["endpoints"], distribution)
    unchanged = []
    for slice_ in plan.unchanged:
        endpoints = hints.hinted(slice_.get("endpoints") or [], distribution)
        if endpoints == (slice_.get("endpoints") or []):
            unchanged.append(slice_)
        else:
            plan.update.append({**slice_, "endpoints": endpoints})
    plan.unchanged = unchanged
    return plan


def _recycle(plan: Plan, service: Doc) -> None:
    """Slices to delete become slices to create, one write instead of two.

    Those with endpoints first: an old placeholder made into the new one would be a write that says nothing.
    """
    kept: list[Doc] = []
    for old in sorted(plan.delete, key=lambda s: not s.get("endpoints")):
        last = plan.create[-1] if plan.create else None
        if last is not None and last["addressType"] == old.get("addressType") and _owned(old, service):
            plan.update.append({**old, **plan.create.pop(), "metadata": {**meta(old), "labels": slice_labels(service)}})
        else:
            kept.append(old)
    plan.delete = kept


def _changes(plan: Plan, service: Doc, trigger_time: str) -> list[Change]:
    creates = [] if is_deleting(service) else plan.create
    changes: list[Change] = [Create(ENDPOINT_SLICES, _stamped(slice_, trigger_time)) for slice_ in creates]
    changes += [Update(ENDPOINT_SLICES, _stamped(slice_, trigger_time)) for slice_ in plan.update]
    for slice_ in plan.delete:
        changes.append(Delete(ENDPOINT_SLICES, namespace_of(slice_), name_of(slice_), uid_of(slice_)))
    return changes


def _stamped(slice_: Doc, trigger_time: str) -> Doc:
    return with_metadata(slice_, annotations=backends.trigger_annotation(slice_, trigger_time) or None)
