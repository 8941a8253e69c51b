"""What Deployments, ReplicaSets and ReplicationControllers share: a template of pods and a selector.

Source: k8s.io/kubernetes pkg/apis/apps/validation, pkg/apis/core/validation (ValidatePodTemplateSpec), and
apimachinery pkg/apis/meta/v1/validation (ValidateLabelSelector).
"""

from collections.abc import Callable, Mapping

from portway.kubeapi import fault, names, selectors
from portway.kubeapi.errors import ApiError, Doc, FieldError
from portway.kubeapi.patch.equality import same
from portway.kubeapi.workloads.pod_defaults import default_spec
from portway.kubeapi.workloads.pod_spec import validate_labels, validate_spec
from portway.kubeapi.workloads.probes import nonnegative
from portway.model import LabelSelector

_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


def default_template(holder: Doc) -> None:
    """Fills `holder["template"]`."""
    template = holder.setdefault("template", {})
    template.setdefault("metadata", {})
    default_spec(template.setdefault("spec", {}))


def validate_counts(spec: Doc, path: str, *counts: str) -> list[FieldError]:
    """Numbers that may not be negative."""
    return [error for count in counts for error in nonnegative(spec.get(count) or 0, f"{path}.{count}")]


def validate_selected_template(spec: Doc, path: str, owner: str) -> list[FieldError]:
    """`selector` (a LabelSelector) and the template that it must match. `owner`: for the words, "ReplicaSet"."""
    selector = spec.get("selector")
    if selector is None:
        found = [fault.required(f"{path}.selector")]
        return found + validate_template(spec, LabelSelector(nothing=True), path, owner)
    found = validate_selector(selector, f"{path}.selector")
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        found.append(fault.invalid(f"{path}.selector", selector, "empty selector is invalid for deployment"))
    try:
        chosen = selectors.from_document(selector)
    except ApiError:
        return [*found, fault.invalid(f"{path}.selector", selector, "invalid label selector")]
    return found + validate_template(spec, chosen, path, owner)


def validate_template(spec: Doc, selector: LabelSelector, path: str, owner: str) -> list[FieldError]:
    """The template: matched by the selector, a valid pod, always restarted."""
    template, here = spec.get("template") or {}, f"{path}.template"
    metadata, pod = template.get("metadata") or {}, template.get("spec") or {}
    found = []
    if not selector.empty and not selector.matches(metadata.get("labels")):
        complaint = "`selector` does not match template `labels`"
        found.append(fault.invalid(f"{here}.metadata.labels", metadata.get("labels"), complaint))
    found += validate_labels(metadata.get("labels") or {}, f"{here}.labels")
    found += validate_spec(pod, f"{here}.spec")
    if pod.get("restartPolicy") != "Always":
        found.append(fault.not_supported(f"{here}.spec.restartPolicy", pod.get("restartPolicy") or "", ("Always",)))
    if pod.get("activeDeadlineSeconds") is not None:
        complaint = f"activeDeadlineSeconds in {owner} is not Supported"
        found.append(fault.forbidden(f"{here}.spec.activeDeadlineSeconds", complaint))
    return found


def validate_selector(selector: Doc, path: str) -> list[FieldError]:
    """A LabelSelector: keys, operators, and values where the operator wants them."""
    found = validate_labels(selector.get("matchLabels") or {}, f"{path}.matchLabels")
    for index, expression in enumerate(selector.get("matchExpressions") or ()):
        found += _expression(expression, f"{path}.matchExpressions[{index}]")
    return found


def _expression(expression: Doc, path: str) -> list[FieldError]:
    operator, values, key = expression.get("operator"), expression.get("values") or [], expression.get("key") or ""
    found = []
    if operator in ("In", "NotIn") and not values:
        found.append(fault.required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist") and values:
        complaint = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        found.append(fault.forbidden(f"{path}.values", complaint))
    elif operator not in _OPERATORS:
        found.append(fault.invalid(f"{path}.operator", operator or "", "not a valid selector operator"))
    found += fault.invalid_each(f"{path}.key", key, names.is_qualified_name(key))
    for index, value in enumerate(values):
        found += fault.invalid_each(f"{path}.values[{index}]", value, names.is_valid_label_value(value))
    return found


def immutable(new: Doc, old: Doc, name: str) -> list[FieldError]:
    """`spec.NAME` may not change."""
    value = new["spec"].get(name)
    if same(value, old["spec"].get(name)):
        return []
    return [fault.invalid(f"spec.{name}", value, "field is immutable")]


def warnings_of_changes(new: Doc, old: Doc | None) -> list[str]:
    """Kind hook: those of a template that is another than before."""
    if old is not None and old["spec"].get("template") == new["spec"].get("template"):
        return []
    return pod_warnings(new["spec"]["template"]["spec"], "spec.template.spec")


def warnings_on_create(new: Doc, old: Doc | None) -> list[str]:
    """Kind hook: those of the template of a new document."""
    return warnings_of_changes(new, None) if old is None else []


def _replicas(doc: Doc) -> str:
    return str((doc.get("status") or {}).get("replicas") or 0)


COUNTED: Mapping[str, Callable[[Doc], str]] = {"status.replicas": _replicas}
"""Kind hook `fields`: what field selectors know of kinds that count their pods."""


def pod_warnings(spec: Doc, path: str) -> list[str]:
    """What the API server warns of in a pod or a template: names that shadow each other."""
    found = []
    for field in ("initContainers", "containers"):
        for outer, container in enumerate(spec.get(field) or ()):
            here = f"{path}.{field}[{outer}]"
            found += _repeated_variables(container.get("env") or [], f"{here}.env")
            found += _repeated_ports(container.get("ports") or [], f"{here}.ports")
    return found


def _repeated_variables(variables: list[Doc], path: str) -> list[str]:
    found, seen = [], set()
    for index, variable in enumerate(variables):
        name = variable.get("name")
        if name in seen and f"$({name})" not in (variable.get("value") or ""):
            quoted = fault.quoted(str(name))
            found.append(
                f"{path}[{index}]: hides previous definition of {quoted}, which may be dropped when using apply"
            )
        seen.add(name)
    return found


def _repeated_ports(ports: list[Doc], path: str) -> list[str]:
    found: list[str] = []
    seen: dict[tuple[object, object], int] = {}
    for index, port in enumerate(ports):
        key = (port.get("containerPort"), port.get("protocol"))
        if key in seen and not port.get("hostPort"):
            found.append(f"{path}[{index}]: duplicate port definition with {path}[{seen[key]}]")
        seen.setdefault(key, index)
    return found
