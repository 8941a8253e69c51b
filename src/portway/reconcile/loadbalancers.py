"""Services of type LoadBalancer: their finalizer, their addresses in status, and Events for what they are refused.

Sources: MetalLB 0.15 controller (reasons, annotations); k8s.io/cloud-provider service controller (the finalizer: first
of all on a Service that gets an address, gone when it no longer is one).
"""

from collections.abc import Mapping, Sequence

from portway.kubeapi.decode_loadbalancer import FROM_POOL, GRANTED, balanced_service, is_balanced
from portway.kubeapi.errors import Doc
from portway.loadbalancer import Allocation, Held, Refusal, allocate, is_ours
from portway.model.loadbalancer import AddressPool, BalancedService
from portway.model.selector import Labels
from portway.reconcile.change import Change, Event, Update
from portway.reconcile.objects import annotations_of, is_deleting, meta, status_of, with_metadata
from portway.reconcile.resources import SERVICES

FINALIZER = "service.kubernetes.io/load-balancer-cleanup"
COMPONENT = "portway-load-balancer-controller"
_MARKS = (FROM_POOL, GRANTED)


def reconcile(
    service: Doc, pools: Sequence[AddressPool], held: Held, namespaces: Mapping[str, Labels]
) -> tuple[list[Change], Refusal | None]:
    """What is wanted of the Service now, and why it waits when it does. `held` may speak of the Service itself too."""
    if not is_balanced(service) or is_deleting(service):
        return _let_go(service), None
    asking = balanced_service(service)
    if not is_ours(asking):
        return [], None
    answer = allocate(asking, pools, held, namespaces)
    if isinstance(answer, Refusal):
        return [*_taken_away(service, asking, answer), _refused(service, answer)], answer
    if FINALIZER not in (meta(service).get("finalizers") or []):
        finalizers = [*(meta(service).get("finalizers") or []), FINALIZER]
        return [Update(SERVICES, with_metadata(service, finalizers=finalizers))], None
    return _given(service, asking, answer), None


def _let_go(service: Doc) -> list[Change]:
    """It is being deleted, or of another type: nothing of ours stays on it."""
    finalizers = meta(service).get("finalizers") or []
    if FINALIZER not in finalizers:
        return []
    left = [name for name in finalizers if name != FINALIZER]
    marks = _with_marks(service, {})
    return [Update(SERVICES, with_metadata(service, finalizers=left or None, annotations=marks or None))]


def _given(service: Doc, asking: BalancedService, answer: Allocation) -> list[Change]:
    marks = {FROM_POOL: answer.pool}
    if asking.sharing:
        marks[GRANTED] = str(asking.sharing)
    annotations = _with_marks(service, marks)
    if answer.addresses == asking.addresses and annotations == annotations_of(service) and _has_modes(service):
        return []
    wanted = _with_addresses(with_metadata(service, annotations=annotations), answer.addresses)
    changes: list[Change] = [Update(SERVICES, wanted, "status")]
    if answer.addresses != asking.addresses:
        listed = ", ".join(f'"{address}"' for address in answer.addresses)
        note = f" (PreferDualStack: {answer.note})" if answer.note else ""
        text = f"Assigned IP [{listed}] from IPAddressPool {answer.pool}{note}"
        changes.append(_event(service, "Normal", "IPAllocated", text))
    return changes


def _taken_away(service: Doc, asking: BalancedService, refusal: Refusal) -> list[Change]:
    """What it has, it may not have any longer."""
    if not asking.addresses:
        return []
    wanted = _with_addresses(with_metadata(service, annotations=_with_marks(service, {}) or None), ())
    text = f"{', '.join(asking.addresses)} is withdrawn: {refusal.message}"
    return [Update(SERVICES, wanted, "status"), _event(service, "Warning", "ClearAssignment", text)]


def _refused(service: Doc, refusal: Refusal) -> Event:
    where = f"{meta(service).get('namespace')}/{meta(service).get('name')}"
    return _event(service, "Warning", "AllocationFailed", f'Failed to allocate IP for "{where}": {refusal.message}')


def _event(service: Doc, kind: str, reason: str, message: str) -> Event:
    return Event(service, kind, reason, message, COMPONENT)


def _with_marks(service: Doc, marks: Mapping[str, str]) -> dict[str, str]:
    """Its annotations, with these of ours and no others."""
    others = {key: value for key, value in annotations_of(service).items() if key not in _MARKS}
    return others | dict(marks)


def _with_addresses(service: Doc, addresses: Sequence[str]) -> Doc:
    ingress = [{"ip": address, "ipMode": "VIP"} for address in addresses]
    return {**service, "status": {**status_of(service), "loadBalancer": {"ingress": ingress} if ingress else {}}}


def _has_modes(service: Doc) -> bool:
    points = (status_of(service).get("loadBalancer") or {}).get("ingress") or ()
    return all(point.get("ipMode") == "VIP" for point in points)
