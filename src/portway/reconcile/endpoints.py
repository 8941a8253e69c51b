"""Service and pods → the Endpoints of the same name, for those who still read them.

Source: kube-controller-manager pkg/controller/endpoint; research 4.7.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from portway.kubeapi.errors import Doc
from portway.reconcile import backends
from portway.reconcile.change import Change, Create, Delete, Update
from portway.reconcile.objects import (
    annotations_of,
    is_ready,
    labels_of,
    meta,
    name_of,
    namespace_of,
    spec_of,
    with_metadata,
)
from portway.reconcile.resources import ENDPOINTS

MANAGED_BY = "endpoints.kubernetes.io/managed-by"
CONTROLLER = "endpoint-controller"
HEADLESS = "service.kubernetes.io/headless"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
MOST_ADDRESSES = 1000

_Port = tuple[str, int, str, str]
"""(name, number, protocol, appProtocol); a headless Service without ports has one with number -1."""
_Address = tuple[str, str]
"""(IP, the pod's uid or name): the same pod in different ports is one address."""
Entry = tuple[_Port, Doc, bool]
"""(port, address, ready): one address at one port."""


def reconcile(service: Doc | None, pods: Sequence[Doc], current: Doc | None, trigger_time: str = "") -> list[Change]:
    """The change of the Service's Endpoints. `service` None: it is gone. `pods`: those that it selects."""
    if service is None:
        return _orphaned(current)
    if not backends.is_managed(service):
        return []
    subsets, truncated = truncate(repacked(_entries(service, pods)))
    if current is None:
        return [Create(ENDPOINTS, _document(service, None, subsets, truncated, trigger_time))]
    wanted = _document(service, current, subsets, truncated, trigger_time)
    return [] if _same(current, wanted) else [Update(ENDPOINTS, wanted)]


def _orphaned(current: Doc | None) -> list[Change]:
    """Only what this controller made goes with the Service."""
    if current is None or labels_of(current).get(MANAGED_BY) != CONTROLLER:
        return []
    return [Delete(ENDPOINTS, namespace_of(current), name_of(current), str(meta(current).get("uid") or ""))]


def _entries(service: Doc, pods: Sequence[Doc]) -> Iterable[Entry]:
    """(port, address, ready) for every pod and every port that it can be reached at."""
    unready_too = backends.publishes_not_ready(service)
    family = _family(service)
    for pod in pods:
        addresses = backends.addresses_of_family(pod, family)
        if not addresses or not backends.belongs(pod, terminating=unready_too):
            continue
        address = _address(pod, service, addresses[0])
        for port in _ports(service, pod):
            yield port, address, unready_too or is_ready(pod)


def _family(service: Doc) -> str:
    """The Service's primary family."""
    return backends.address_types(service)[0]


def _ports(service: Doc, pod: Doc) -> list[_Port]:
    if not spec_of(service).get("ports"):
        return [("", -1, "", "")] if not backends.has_cluster_ip(service) else []
    found = backends.endpoint_ports(pod, service)
    return [(p["name"], p["port"], p["protocol"], p.get("appProtocol", "")) for p in found]


def _address(pod: Doc, service: Doc, ip: str) -> Doc:
    hostname = backends.hostname(pod, service)
    address: Doc = {"ip": ip}
    if hostname:
        address["hostname"] = hostname
    if spec_of(pod).get("nodeName"):
        address["nodeName"] = spec_of(pod)["nodeName"]
    return address | {"targetRef": backends.target_reference(pod)}


def repacked(entries: Iterable[Entry]) -> list[Doc]:
    """Subsets: ports with the very same addresses together; of two claims about an address, not ready wins."""
    by_port: dict[_Port, dict[_Address, bool]] = {}
    documents: dict[_Address, Doc] = {}
    for port, address, ready in entries:
        target = address.get("targetRef") or {}
        key = (address["ip"], target.get("uid") or target.get("name") or "")
        documents.setdefault(key, address)
        claims = by_port.setdefault(port, {})
        claims[key] = claims.get(key, True) and ready
    ports_of: dict[frozenset[tuple[_Address, bool]], list[_Port]] = {}
    for port, claims in by_port.items():
        ports_of.setdefault(frozenset(claims.items()), []).append(port)
    subsets = [_subset(claims, ports, documents) for claims, ports in ports_of.items()]
    return sorted(subsets, key=repr)


def _subset(claims: Iterable[tuple[_Address, bool]], ports: Sequence[_Port], documents: Mapping[_Address, Doc]) -> Doc:
    claimed = sorted(claims)
    ready = [documents[key] for key, is_up in claimed if is_up]
    unready = [documents[key] for key, is_up in claimed if not is_up]
    named = [_port(port) for port in sorted(ports) if port[1] >= 0]
    parts: dict[str, Any] = {"addresses": ready, "notReadyAddresses": unready, "ports": named}
    return {name: part for name, part in parts.items() if part}


def _port(port: _Port) -> Doc:
    name, number, protocol, app_protocol = port
    result = {"name": name, "port": number, "protocol": protocol, "appProtocol": app_protocol}
    return {key: value for key, value in result.items() if value or key == "port"}


def truncate(subsets: list[Doc], most: int = MOST_ADDRESSES) -> tuple[list[Doc], bool]:
    """At most so many addresses, ready ones first, taken from each subset in proportion; and whether some were cut."""
    ready, unready = _total(subsets, "addresses"), _total(subsets, "notReadyAddresses")
    if ready + unready <= most:
        return subsets, False
    part, total, room = ("addresses", ready, most) if ready > most else ("notReadyAddresses", unready, most - ready)
    result, left = [], room
    for subset in subsets:
        share = min(math.ceil(len(subset.get(part) or []) / total * room), left)
        left -= share
        cut = {**subset, part: (subset.get(part) or [])[:share]}
        if part == "addresses":
            cut["notReadyAddresses"] = []
        result.append({name: value for name, value in cut.items() if value})
    return result, True


def _total(subsets: Sequence[Doc], part: str) -> int:
    return sum(len(subset.get(part) or []) for subset in subsets)


def _document(service: Doc, current: Doc | None, subsets: list[Doc], truncated: bool, trigger_time: str) -> Doc:
    base: Doc = current or {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": name_of(service), "namespace": namespace_of(service)},
    }
    labels = {key: value for key, value in labels_of(service).items() if key != HEADLESS}
    if not backends.has_cluster_ip(service):
        labels[HEADLESS] = ""
    annotations = backends.trigger_annotation(base, trigger_time)
    annotations.pop(OVER_CAPACITY, None)
    if truncated:
        annotations[OVER_CAPACITY] = "truncated"
    document = with_metadata(base, labels=labels | {MANAGED_BY: CONTROLLER}, annotations=annotations or None)
    document = {key: value for key, value in document.items() if key != "subsets"}
    return document | {"subsets": subsets} if subsets else document


def _same(current: Doc, wanted: Doc) -> bool:
    """Whether a write would change more than the trigger time."""
    over = annotations_of(current).get(OVER_CAPACITY) == annotations_of(wanted).get(OVER_CAPACITY)
    return over and _own_labels(current) == _own_labels(wanted) and _content(current) == _content(wanted)


def _own_labels(document: Doc) -> dict[str, str]:
    return {key: value for key, value in labels_of(document).items() if key != HEADLESS}


def _content(document: Doc) -> list[str]:
    """The subsets, whatever the order of anything in them."""
    return sorted(
        repr([sorted(repr(sorted(_flat(e).items())) for e in subset.get(part) or []) for part in _PARTS])
        for subset in document.get("subsets") or []
    )


_PARTS = ("addresses", "notReadyAddresses", "ports")


def _flat(entry: Doc) -> Doc:
    """An address or port without what does not count: empty fields, and the pod's resourceVersion."""
    target = {key: value for key, value in (entry.get("targetRef") or {}).items() if key != "resourceVersion" and value}
    flat = {key: value for key, value in entry.items() if value and key not in ("targetRef", "protocol")}
    return flat | {"protocol": entry.get("protocol") or "TCP", "targetRef": sorted(target.items())}
