"""A ServiceCIDR: ready as soon as it is there, and kept from going while Services would be left without a range.

Source: kube-controller-manager pkg/controller/servicecidrs; KEP-1880.
"""

import ipaddress
from collections.abc import Iterable, Sequence

from portway.kubeapi.errors import Doc
from portway.kubeapi.servicecidr import FINALIZER
from portway.reconcile.change import Change, Update
from portway.reconcile.objects import (
    condition_of,
    is_deleting,
    meta,
    seconds_of,
    spec_of,
    timestamp,
    with_metadata,
)
from portway.reconcile.resources import SERVICE_CIDRS

GRACE = 1.0
"""Seconds from its deletion in which the news of an address that was given just before arrives."""
_READY = {"type": "Ready", "status": "True", "reason": "", "message": "Kubernetes Service CIDR is ready"}
_TERMINATING = {
    "type": "Ready",
    "status": "False",
    "reason": "Terminating",
    "message": "There are still IPAddresses referencing the ServiceCIDR, "
    "please remove them or create a new ServiceCIDR",
}
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def reconcile(document: Doc, others: Iterable[Doc], addresses: Iterable[str], now: float) -> list[Change]:
    """`others`: all other ServiceCIDRs; `addresses`: those that Services hold."""
    if not is_deleting(document):
        finalizers = meta(document).get("finalizers") or []
        if FINALIZER not in finalizers:
            return [Update(SERVICE_CIDRS, with_metadata(document, finalizers=[*finalizers, FINALIZER]))]
        return _condition(document, _READY, now)
    networks = [network for other in others if not is_deleting(other) for network in _networks(other)]
    if _leaves_orphans(document, networks, addresses):
        return _condition(document, _TERMINATING, now)
    if now < (seconds_of(meta(document)["deletionTimestamp"]) or 0.0) + GRACE:
        return []
    finalizers = [name for name in meta(document).get("finalizers") or [] if name != FINALIZER]
    return [Update(SERVICE_CIDRS, with_metadata(document, finalizers=finalizers))]


def _condition(document: Doc, wanted: Doc, now: float) -> list[Change]:
    """Says so in the status, where it does not say so yet."""
    held = condition_of(document, "Ready") or {}
    if all((held.get(key) or "") == value for key, value in wanted.items()):
        return []
    conditions = [wanted | {"lastTransitionTime": timestamp(now)}]
    return [Update(SERVICE_CIDRS, {**document, "status": {"conditions": conditions}}, "status")]


def _leaves_orphans(document: Doc, others: Sequence[_Network], addresses: Iterable[str]) -> bool:
    """Whether an address of it would be in no range any more."""
    going = [one for one in _networks(document) if not any(_contains(other, one) for other in others)]
    if not going:
        return False
    return any(_is_in(text, going) and not _is_in(text, others) for text in addresses)


def _networks(document: Doc) -> list[_Network]:
    return [ipaddress.ip_network(cidr) for cidr in spec_of(document).get("cidrs") or []]


def _contains(network: _Network, other: _Network) -> bool:
    return network.version == other.version and other.subnet_of(network)  # type: ignore[arg-type]


def _is_in(text: str, networks: Iterable[_Network]) -> bool:
    address = ipaddress.ip_address(text)
    return any(address in network for network in networks)
