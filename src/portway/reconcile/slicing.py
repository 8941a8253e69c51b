"""How endpoints of one address type and one set of ports are spread over slices, with as few writes as possible.

Source: k8s.io/endpointslice reconciler.go (reconcileByPortMapping, finalize); research 4.4. Three steps: take out of
each slice what is no longer wanted; fill the slices that are written anyway, fullest first; put the rest into the one
untouched slice that can take all of it, or into new ones. Slices are never rebalanced.
"""

from collections.abc import Callable, Sequence
from typing import Any

from msgspec import Struct, field

from portway.kubeapi.errors import Doc

EndpointKey = tuple[tuple[str, ...], str, str, str]
PortsKey = tuple[tuple[str, str, int, str], ...]


class Plan(Struct):
    """Slices by what happens to them. Those to create have no name yet."""

    create: list[Doc] = field(default_factory=list)
    update: list[Doc] = field(default_factory=list)
    delete: list[Doc] = field(default_factory=list)
    unchanged: list[Doc] = field(default_factory=list)

    def standing(self) -> list[Doc]:
        """The slices that there will be."""
        return [*self.create, *self.update, *self.unchanged]

    def extend(self, other: "Plan") -> None:
        """Add another plan's slices to this one's."""
        self.create += other.create
        self.update += other.update
        self.delete += other.delete
        self.unchanged += other.unchanged


def endpoint_key(endpoint: Doc) -> EndpointKey:
    """What makes two endpoints the same one: addresses, hostname and the pod."""
    target = endpoint.get("targetRef") or {}
    addresses = tuple(sorted(endpoint.get("addresses") or []))
    return addresses, endpoint.get("hostname") or "", target.get("namespace") or "", target.get("name") or ""


def ports_key(ports: Sequence[Doc] | None) -> PortsKey:
    """What makes two port lists the same one: their content, in any order."""
    parts = (
        (p.get("name") or "", p.get("protocol") or "TCP", p.get("port") or 0, p.get("appProtocol") or "")
        for p in ports or []
    )
    return tuple(sorted(parts))


def same_beyond_key(one: Doc, other: Doc) -> bool:
    """Whether nothing that the key leaves out has changed: node, zone, conditions, target; hints aside."""
    return _rest(one) == _rest(other)


def _rest(endpoint: Doc) -> tuple[Any, ...]:
    conditions = endpoint.get("conditions") or {}
    target = {k: v for k, v in (endpoint.get("targetRef") or {}).items() if k != "resourceVersion"}
    named = [conditions.get(name) for name in ("ready", "serving", "terminating")]
    return endpoint.get("nodeName"), endpoint.get("zone"), named, target


def pack(
    existing: Sequence[Doc],
    wanted: Sequence[Doc],
    new_slice: Callable[[], Doc],
    relabelled: Callable[[Doc], tuple[Doc, bool]],
    most: int,
) -> Plan:
    """Spread `wanted` over slices of at most `most` endpoints each.

    `relabelled` gives a slice with the labels it should have, and whether that alone is a reason to write it.
    """
    left = {endpoint_key(endpoint): endpoint for endpoint in wanted}
    plan = Plan()
    for old in existing:
        _keep(old, left, relabelled, plan)
    rest = list(left.values())
    for slice_ in sorted(plan.update, key=lambda s: -len(s["endpoints"])):
        _fill(slice_, rest, most)
    while rest:
        _fill(_roomy(plan, len(rest), most) or _added(plan, new_slice()), rest, most)
    return plan


def _keep(old: Doc, left: dict[EndpointKey, Doc], relabelled: Callable[[Doc], tuple[Doc, bool]], plan: Plan) -> None:
    """Step one for one slice: what it keeps is taken out of `left`."""
    kept: list[Doc] = []
    changed = False
    for endpoint in old.get("endpoints") or []:
        wanted = left.pop(endpoint_key(endpoint), None)
        if wanted is None:
            changed = True
        elif same_beyond_key(endpoint, wanted):
            kept.append(endpoint)
        else:
            kept.append(wanted | {"hints": endpoint["hints"]} if "hints" in endpoint else wanted)
            changed = True
    if changed and not kept:
        plan.delete.append(old)
        return
    new, stale = relabelled(old)
    if changed or stale:
        plan.update.append({**new, "endpoints": kept})
    else:
        plan.unchanged.append(old)


def _fill(slice_: Doc, rest: list[Doc], most: int) -> None:
    room = max(most - len(slice_["endpoints"]), 0)
    slice_["endpoints"] = [*slice_["endpoints"], *rest[:room]]
    del rest[:room]


def _roomy(plan: Plan, count: int, most: int) -> Doc | None:
    """The fullest untouched slice that can take all `count` endpoints, moved to the updates as a copy."""
    fitting = [s for s in plan.unchanged if len(s.get("endpoints") or []) + count <= most] if count < most else []
    if not fitting:
        return None
    chosen = max(fitting, key=lambda s: len(s.get("endpoints") or []))
    plan.unchanged.remove(chosen)
    copy = {**chosen, "endpoints": list(chosen.get("endpoints") or [])}
    plan.update.append(copy)
    return copy


def _added(plan: Plan, slice_: Doc) -> Doc:
    plan.create.append(slice_)
    return slice_
