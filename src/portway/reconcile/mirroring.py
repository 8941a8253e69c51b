"""Endpoints that someone wrote for a Service without selector → EndpointSlices, which is what nodes read.

Source: kube-controller-manager pkg/controller/endpointslicemirroring; research 4.8. One slice per address family and
set of ports.
"""

import ipaddress
from collections.abc import Iterable, Sequence

from portway.kubeapi.errors import Doc
from portway.reconcile import slicing
from portway.reconcile.backends import TRIGGER_TIME
from portway.reconcile.change import Change, Create, Delete, Update
from portway.reconcile.endpoints import Entry, repacked, truncate
from portway.reconcile.endpointslices import MANAGED_BY, SERVICE_NAME
from portway.reconcile.objects import (
    annotations_of,
    controller_reference,
    labels_of,
    meta,
    name_of,
    namespace_of,
    spec_of,
    uid_of,
    with_metadata,
)
from portway.reconcile.resources import ENDPOINT_SLICES

CONTROLLER = "endpointslicemirroring-controller.k8s.io"
_SKIP = "endpointslice.kubernetes.io/skip-mirror"
_LEADER = "control-plane.alpha.kubernetes.io/leader"
_NOT_COPIED = {TRIGGER_TIME, "kubectl.kubernetes.io/last-applied-configuration"}


def is_mirrored(service: Doc | None, endpoints: Doc | None) -> bool:
    """Whether these Endpoints are somebody's own and stand for a Service without selector."""
    if service is None or endpoints is None or spec_of(service).get("selector") is not None:
        return False
    return labels_of(endpoints).get(_SKIP) != "true" and _LEADER not in annotations_of(endpoints)


def reconcile(service: Doc | None, endpoints: Doc | None, slices: Sequence[Doc], most: int = 1000) -> list[Change]:
    """`slices`: those labelled as this Service's and managed by this controller. `most`: addresses of each subset."""
    if endpoints is None or not is_mirrored(service, endpoints):
        return [_deletion(slice_) for slice_ in slices]
    wanted = {(s["addressType"], slicing.ports_key(s["ports"])): s for s in _wanted(endpoints, most)}
    changes: list[Change] = []
    spare: list[Doc] = []
    for old in slices:
        new = wanted.pop((old.get("addressType") or "", slicing.ports_key(old.get("ports"))), None)
        if new is None:
            spare.append(old)
        elif not _same(old, new):
            changes.append(Update(ENDPOINT_SLICES, _over(old, new)))
    for new in wanted.values():
        old_one = next((s for s in spare if s.get("addressType") == new["addressType"]), None)
        if old_one is None:
            changes.append(Create(ENDPOINT_SLICES, new))
        else:
            spare.remove(old_one)
            changes.append(Update(ENDPOINT_SLICES, _over(old_one, new)))
    return changes + [_deletion(slice_) for slice_ in spare]


def _wanted(endpoints: Doc, most: int) -> Iterable[Doc]:
    for subset in repacked(_entries(endpoints, most)):
        for family in ("IPv4", "IPv6"):
            found = list(_endpoints(subset, family))
            if found:
                yield _slice(endpoints, family, found, subset.get("ports") or [])


def _entries(endpoints: Doc, most: int) -> Iterable[Entry]:
    for subset in endpoints.get("subsets") or []:
        [kept], _ = truncate([subset], most)
        ports = [
            (p.get("name") or "", p["port"], p.get("protocol") or "TCP", p.get("appProtocol") or "")
            for p in kept.get("ports") or []
        ]
        for part, ready in (("addresses", True), ("notReadyAddresses", False)):
            for address in kept.get(part) or []:
                for port in ports or [("", -1, "", "")]:
                    yield port, address, ready


def _endpoints(subset: Doc, family: str) -> Iterable[Doc]:
    for part, ready in (("addresses", True), ("notReadyAddresses", False)):
        for address in subset.get(part) or []:
            ip = _canonical(address.get("ip") or "", family)
            if ip:
                optional = {name: address.get(name) for name in ("hostname", "nodeName", "targetRef")}
                told = {name: value for name, value in optional.items() if value}
                yield {"addresses": [ip], "conditions": {"ready": ready}, **told}


def _canonical(ip: str, family: str) -> str:
    """Empty for another family's address, and for what is no address."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ""
    return str(address) if f"IPv{address.version}" == family else ""


def _slice(endpoints: Doc, family: str, found: list[Doc], ports: list[Doc]) -> Doc:
    labels = {**labels_of(endpoints), SERVICE_NAME: name_of(endpoints), MANAGED_BY: CONTROLLER}
    annotations = {key: value for key, value in annotations_of(endpoints).items() if key not in _NOT_COPIED}
    document: Doc = {
        "apiVersion": ENDPOINT_SLICES.api_version,
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": f"{name_of(endpoints)}-",
            "namespace": namespace_of(endpoints),
            "labels": labels,
            "ownerReferences": [controller_reference(endpoints, "v1", "Endpoints")],
        },
        "addressType": family,
        "endpoints": found,
        "ports": [{"name": "", **port} for port in ports],
    }
    return with_metadata(document, annotations=annotations) if annotations else document


def _same(old: Doc, new: Doc) -> bool:
    if labels_of(old) != labels_of(new) or annotations_of(old) != annotations_of(new):
        return False
    before = {slicing.endpoint_key(e): e for e in old.get("endpoints") or []}
    after = {slicing.endpoint_key(e): e for e in new["endpoints"]}
    same_keys = before.keys() == after.keys() and len(old.get("endpoints") or []) == len(after)
    return same_keys and all(slicing.same_beyond_key(before[key], after[key]) for key in after)


def _over(old: Doc, new: Doc) -> Doc:
    """The new content under the old one's name, uid and resourceVersion."""
    own = {key: value for key, value in meta(new).items() if key != "generateName"}
    kept = {key: value for key, value in meta(old).items() if key != "annotations"}
    return {**old, **new, "metadata": kept | own}


def _deletion(slice_: Doc) -> Delete:
    return Delete(ENDPOINT_SLICES, namespace_of(slice_), name_of(slice_), uid_of(slice_))
