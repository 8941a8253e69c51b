"""Topology hints under the annotation `service.kubernetes.io/topology-mode: Auto`: zones get endpoints by their CPU.

Source: k8s.io/endpointslice topologycache; KEP-2433. A zone should have the share of the ready endpoints that its ready
nodes have of the cluster's allocatable CPU; no zone's endpoints may carry more than 20% above that share. Endpoints are
hinted at their own zone first, and zones that have too many give to those that have too few. Slices that are not
written anyway keep their hints as long as those leave every zone enough.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import ceil

from msgspec import Struct

from portway.kubeapi import quantity
from portway.kubeapi.errors import Doc
from portway.reconcile import backends
from portway.reconcile.objects import is_ready, labels_of, status_of
from portway.reconcile.slicing import Plan

_EXCLUDED = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
_OVERLOAD = 0.2

INSUFFICIENT_NODES = "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes"
NO_ZONE = "One or more endpoints do not have a zone specified"
ENABLED = "Topology Aware Hints has been enabled"
DISABLED = "Topology Aware Hints has been disabled"


class Unallocatable(Exception):
    """Hints would do harm; the argument says why, in Kubernetes' words."""


class Allocation(Struct, frozen=True):
    """How many endpoints a zone should have."""

    desired: float
    minimum: int = 0
    maximum: int = 0


def cpu_by_zone(nodes: Iterable[Doc]) -> dict[str, int]:
    """Allocatable millicores of the ready nodes that are no control plane, by zone.

    Empty when one of them has no zone or no CPU, or when there are not two zones.
    """
    cpu: dict[str, int] = {}
    for node in nodes:
        share = share_of(node)
        if share is None:
            continue
        zone, milli = share
        if not zone or not milli:
            return {}
        cpu[zone] = cpu.get(zone, 0) + milli
    return cpu if len(cpu) > 1 else {}


def share_of(node: Doc) -> tuple[str, int] | None:
    """A node's zone and allocatable millicores; None when it does not count: a control plane, or not ready."""
    labels = labels_of(node)
    if any(label in labels for label in _EXCLUDED) or not is_ready(node):
        return None
    return labels.get(backends.ZONE, ""), _milli_cpu(node)


def _milli_cpu(node: Doc) -> int:
    """0 when it is not there or no quantity."""
    try:
        return quantity.parse((status_of(node).get("allocatable") or {}).get("cpu") or 0).milli_value
    except ValueError:
        return 0


def ratios(cpu: Mapping[str, int]) -> dict[str, float]:
    """Each zone's share of all CPU."""
    total = sum(cpu.values())
    return {zone: milli / total for zone, milli in cpu.items()}


def allocate(shares: Mapping[str, float], count: int) -> dict[str, Allocation]:
    """How `count` ready endpoints should be spread. Raises Unallocatable."""
    if not shares:
        raise Unallocatable(INSUFFICIENT_NODES)
    size = f"({count} endpoints, {len(shares)} zones)"
    if len(shares) > count:
        raise Unallocatable(f"Insufficient number of endpoints {size}")
    least = {zone: ceil(share * count * (1 / (1 + _OVERLOAD))) for zone, share in shares.items()}
    spare = count - sum(least.values())
    if spare < 0:
        raise Unallocatable(
            f"Unable to allocate minimum required endpoints to each zone without exceeding overload threshold {size}"
        )
    return {
        zone: Allocation(max(share * count, least[zone]), least[zone], least[zone] + spare)
        for zone, share in shares.items()
    }


def hinted(plan: Plan, shares: Mapping[str, float]) -> Plan:
    """The plan with hints by zones' shares, in as few further slices as can be. Raises Unallocatable."""
    ready = sum(_is_ready(endpoint) for slice_ in plan.standing() for endpoint in _endpoints(slice_))
    allocations = allocate(shares, ready)
    kept, stale, allocated = _sorted(plan.unchanged, allocations)
    update = [*plan.update, *stale]
    written = [endpoint for slice_ in (*plan.create, *update) for endpoint in _endpoints(slice_)]
    for endpoint in filter(_is_ready, written):
        if not endpoint.get("zone"):
            raise Unallocatable(NO_ZONE)
        allocated[endpoint["zone"]] += 1
    zones = iter(assign(written, *giving_and_receiving(allocations, allocated)))
    create = [_with_zones(slice_, zones) for slice_ in plan.create]
    update = [_with_zones(slice_, zones) for slice_ in update]
    pairs = list(zip(update[len(plan.update) :], stale, strict=True))
    moved = [new for new, old in pairs if new != old]
    same = [old for new, old in pairs if new == old]
    return Plan(create, update[: len(plan.update)] + moved, plan.delete, kept + same)


def _sorted(
    untouched: Iterable[Doc], allocations: Mapping[str, Allocation]
) -> tuple[list[Doc], list[Doc], Counter[str]]:
    """Slices whose hints can stay, those that have to be written, and how many hints of each zone stay."""
    kept: list[Doc] = []
    stale: list[Doc] = []
    allocated: Counter[str] = Counter()
    for slice_ in untouched:
        counted = hints_by_zone(_endpoints(slice_), allocated, allocations)
        (stale if counted is None else kept).append(slice_)
        allocated.update(counted or {})
    return kept, stale, allocated


def hints_by_zone(
    endpoints: Sequence[Doc], allocated: Mapping[str, int], allocations: Mapping[str, Allocation]
) -> dict[str, int] | None:
    """How many ready endpoints of an untouched slice are hinted at each zone; None when it has to be written.

    That is: one has no hint, one is hinted at a zone that gets none, or a zone would have more than its maximum.
    """
    counted: dict[str, int] = {}
    for endpoint in filter(_is_ready, endpoints):
        zones = (endpoint.get("hints") or {}).get("forZones") or []
        if not zones:
            return None
        for zone in zones:
            counted[zone["name"]] = counted.get(zone["name"], 0) + 1
    for zone, count in counted.items():
        if zone not in allocations or allocated.get(zone, 0) + count > allocations[zone].maximum:
            return None
    return counted


def giving_and_receiving(
    allocations: Mapping[str, Allocation], allocated: Mapping[str, int]
) -> tuple[dict[str, int], dict[str, int]]:
    """How many endpoints each zone gives, and how many each gets. What is less than half an endpoint stays."""
    beyond = {zone: allocated.get(zone, 0) - allocations[zone].desired for zone in sorted(allocations)}
    spare = {zone: number for zone, number in beyond.items() if number > 0}
    lacking = {zone: -number for zone, number in beyond.items() if number < 0}
    giving: dict[str, int] = {}
    receiving: dict[str, int] = {}
    while spare and lacking:
        giver, taker = max(spare, key=spare.__getitem__), max(lacking, key=lacking.__getitem__)
        if max(spare[giver], lacking[taker]) < 1 or min(spare[giver], lacking[taker]) < 0.5:
            break
        giving[giver] = giving.get(giver, 0) + 1
        receiving[taker] = receiving.get(taker, 0) + 1
        spare[giver] -= 1
        lacking[taker] -= 1
    return giving, receiving


def assign(endpoints: Sequence[Doc], giving: Mapping[str, int], receiving: Mapping[str, int]) -> list[str]:
    """The zone each endpoint is hinted at: its own, or while that gives, one that receives; "" when it is not ready."""
    to_give = dict(giving)
    takers = [zone for zone, count in receiving.items() for _ in range(count)]
    zones = []
    for endpoint in endpoints:
        zone = endpoint["zone"] if _is_ready(endpoint) else ""
        if to_give.get(zone) and takers:
            to_give[zone] -= 1
            zone = takers.pop(0)
        zones.append(zone)
    return zones


def _with_zones(slice_: Doc, zones: Iterable[str]) -> Doc:
    """A copy whose endpoints are hinted at the next zones; endpoints that are not ready keep what they have."""
    endpoints = [
        endpoint | {"hints": {"forZones": [{"name": zone}]}} if zone else endpoint
        for endpoint, zone in zip(_endpoints(slice_), zones, strict=False)
    ]
    return slice_ | {"endpoints": endpoints}


def _endpoints(slice_: Doc) -> list[Doc]:
    return slice_.get("endpoints") or []


def _is_ready(endpoint: Doc) -> bool:
    return bool((endpoint.get("conditions") or {}).get("ready"))
