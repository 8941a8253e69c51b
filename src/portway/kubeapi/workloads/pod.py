"""Pod: defaults, validation, and what an update may change.

Source: k8s.io/kubernetes pkg/registry/core/pod/strategy.go, pkg/apis/core/validation (ValidatePodCreate,
ValidatePodUpdate), pkg/apis/core/helper/qos, pkg/apis/core/v1/conversion.go (field labels).
"""

from collections.abc import Callable, Mapping
from typing import Any

from portway.kubeapi import fault, names, quantity
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.patch.equality import same
from portway.kubeapi.workloads.pod_defaults import admit, default_pod, default_spec
from portway.kubeapi.workloads.pod_spec import validate_spec, validate_tolerations
from portway.kubeapi.workloads.template import pod_warnings

name_rule = names.is_dns1123_subdomain

_UPDATABLE = (
    "`spec.containers[*].image`",
    "`spec.initContainers[*].image`",
    "`spec.activeDeadlineSeconds`",
    "`spec.tolerations` (only additions to existing tolerations)",
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
)


def _spec_field(name: str, absent: str = "") -> Callable[[Doc], str]:
    return lambda doc: str((doc.get("spec") or {}).get(name) or absent)


def _status_field(name: str) -> Callable[[Doc], str]:
    return lambda doc: str((doc.get("status") or {}).get(name) or "")


def _host_network(doc: Doc) -> str:
    return "true" if (doc.get("spec") or {}).get("hostNetwork") else "false"


fields: Mapping[str, Callable[[Doc], str]] = {
    "spec.nodeName": _spec_field("nodeName"),
    "spec.restartPolicy": _spec_field("restartPolicy"),
    "spec.schedulerName": _spec_field("schedulerName"),
    "spec.serviceAccountName": _spec_field("serviceAccountName"),
    "spec.hostNetwork": _host_network,
    "status.phase": _status_field("phase"),
    "status.podIP": _status_field("podIP"),
    "status.nominatedNodeName": _status_field("nominatedNodeName"),
}


def default(doc: Doc) -> None:
    """The v1 defaults."""
    spec = doc.setdefault("spec", {})
    default_spec(spec)
    default_pod(spec)


def prepare_create(doc: Doc) -> None:
    """Admission's additions; a new pod is Pending."""
    admit(doc["spec"])
    doc["status"] = {"phase": "Pending", "qosClass": qos_class(doc["spec"])}


def prepare_update(new: Doc, old: Doc) -> None:
    """Tolerations of admission stay when a client sends its manifest again without them; so does the account."""
    admit(new["spec"])


def validate(new: Doc, old: Doc | None) -> list[FieldError]:
    """Everything about the spec; on update also what may not change."""
    found = validate_spec(new["spec"], "spec")
    return found + (_create_errors(new["spec"]) if old is None else _update_errors(new["spec"], old.get("spec") or {}))


def warnings(new: Doc, old: Doc | None) -> list[str]:
    """What works but is probably not meant."""
    return pod_warnings(new["spec"], "spec") if old is None else []


_QOS_RESOURCES = ("cpu", "memory")


def qos_class(spec: Doc) -> str:
    """Guaranteed, Burstable or BestEffort, from the containers' requests and limits."""
    requests, limits = quantity.Quantity(0), quantity.Quantity(0)
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    sums = {name: [requests, limits] for name in _QOS_RESOURCES}
    complete = True
    for container in containers:
        for place, bag in enumerate(("requests", "limits")):
            given = _positive((container.get("resources") or {}).get(bag) or {})
            for name, amount in given.items():
                sums[name][place] += amount
            complete = complete and (bag == "requests" or len(given) == len(_QOS_RESOURCES))
    if not any(amount.nanos for pair in sums.values() for amount in pair):
        return "BestEffort"
    return "Guaranteed" if complete and all(pair[0] == pair[1] for pair in sums.values()) else "Burstable"


def _positive(amounts: Doc) -> dict[str, quantity.Quantity]:
    """The readable amounts of CPU and memory above zero; validation refuses the others."""
    found = {}
    for name in _QOS_RESOURCES:
        try:
            amount = quantity.parse(amounts.get(name, "0"))
        except ValueError:
            continue
        if amount.nanos > 0:
            found[name] = amount
    return found


def _create_errors(spec: Doc) -> list[FieldError]:
    found = []
    if spec.get("ephemeralContainers"):
        found.append(fault.forbidden("spec.ephemeralContainers", "cannot be set on create"))
    if spec.get("nodeName") and spec.get("schedulingGates"):
        complaint = "cannot be set until all schedulingGates have been cleared"
        found.append(fault.forbidden("spec.nodeName", complaint))
    return found


def _update_errors(new: Doc, old: Doc) -> list[FieldError]:
    found: list[FieldError] = []
    for field in ("containers", "initContainers"):
        if len(new.get(field) or ()) != len(old.get(field) or ()):
            return [fault.forbidden(f"spec.{field}", "pod updates may not add or remove containers")]
        found += _images(new.get(field) or [], f"spec.{field}")
    found += _deadline_change(new.get("activeDeadlineSeconds"), old.get("activeDeadlineSeconds"))
    found += _toleration_change(new.get("tolerations") or [], old.get("tolerations") or [])
    gates = [gate.get("name") for gate in old.get("schedulingGates") or ()]
    if any(gate.get("name") not in gates for gate in new.get("schedulingGates") or ()):
        complaint = "only deletion is allowed, but found new scheduling gate"
        found.append(fault.forbidden("spec.schedulingGates", complaint))
    changes = _differences(_fixed(new, old), _fixed(old, old), "spec")
    if changes:
        detail = "\n".join([f"pod updates may not change fields other than {','.join(_UPDATABLE)}", *changes])
        found.append(fault.forbidden("spec", detail))
    return found


def _images(containers: list[Doc], path: str) -> list[FieldError]:
    complaint = "must not have leading or trailing whitespace"
    images = [(f"{path}[{index}].image", container.get("image") or "") for index, container in enumerate(containers)]
    return [fault.invalid(here, image, complaint) for here, image in images if image != image.strip()]


def _deadline_change(new: int | None, old: int | None) -> list[FieldError]:
    path = "spec.activeDeadlineSeconds"
    if old is not None and new is None:
        return [fault.invalid(path, None, "must not update from a positive integer to nil value")]
    if old is not None and new is not None and new > old:
        return [fault.invalid(path, new, "must be less than or equal to previous value")]
    return []


def _toleration_change(new: list[Doc], old: list[Doc]) -> list[FieldError]:
    def without_seconds(toleration: Doc) -> Doc:
        return {name: value for name, value in toleration.items() if name != "tolerationSeconds"}

    kept = [without_seconds(toleration) for toleration in new]
    if any(without_seconds(toleration) not in kept for toleration in old):
        complaint = "existing toleration can not be modified except its tolerationSeconds"
        return [fault.forbidden("spec.tolerations", complaint)]
    return validate_tolerations(new, "spec.tolerations") if new != old else []


def _fixed(spec: Doc, old: Doc) -> Doc:
    """The spec with every field that may change set to what it was."""
    fixed = {name: value for name, value in spec.items() if name not in ("activeDeadlineSeconds", "tolerations")}
    fixed.pop("schedulingGates", None)
    for field in ("containers", "initContainers"):
        pairs = zip(spec.get(field) or (), old.get(field) or (), strict=True)
        if field in fixed:
            fixed[field] = [container | {"image": before.get("image")} for container, before in pairs]
    if (old.get("terminationGracePeriodSeconds") or 0) < 0 and spec.get("terminationGracePeriodSeconds") == 1:
        fixed["terminationGracePeriodSeconds"] = old["terminationGracePeriodSeconds"]
    return fixed


def _differences(new: Any, old: Any, path: str) -> list[str]:
    """One line for each value that differs: `spec.nodeName: "a" -> "b"`."""
    if isinstance(new, dict) and isinstance(old, dict):
        keys = sorted(new.keys() | old.keys())
        return [line for key in keys for line in _differences(new.get(key), old.get(key), f"{path}.{key}")]
    if isinstance(new, list) and isinstance(old, list) and len(new) == len(old):
        pairs = enumerate(zip(new, old, strict=True))
        return [line for index, (one, two) in pairs for line in _differences(one, two, f"{path}[{index}]")]
    return [] if same(new, old) else [f"{path}: {fault.shown(old)} -> {fault.shown(new)}"]
