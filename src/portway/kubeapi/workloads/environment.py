"""Validation of a container's env and envFrom.

Source: k8s.io/kubernetes pkg/apis/core/validation (ValidateEnv, ValidateEnvFrom).
"""

from portway.kubeapi import fault, names
from portway.kubeapi.errors import Doc, FieldError

_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_NO_SOURCE = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
_FIELD_PATHS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)


def validate_env(variables: list[Doc], path: str) -> list[FieldError]:
    """`env`: names, and at most one source for each value."""
    found = []
    for index, variable in enumerate(variables):
        here, name = f"{path}[{index}]", variable.get("name") or ""
        if not name:
            found.append(fault.required(f"{here}.name"))
        else:
            found += fault.invalid_each(f"{here}.name", name, names.is_relaxed_env_var_name(name))
        if variable.get("valueFrom") is not None:
            found += _value_from(variable, f"{here}.valueFrom")
    return found


def _value_from(variable: Doc, path: str) -> list[FieldError]:
    source = variable["valueFrom"]
    given = [name for name in _SOURCES if source.get(name) is not None]
    found = []
    if "fieldRef" in given:
        found += _field_ref(source["fieldRef"], f"{path}.fieldRef")
    for name in ("configMapKeyRef", "secretKeyRef"):
        if name in given:
            found += _key_ref(source[name], f"{path}.{name}")
    if not given:
        found.append(fault.invalid(path, "", _NO_SOURCE))
    elif variable.get("value"):
        found.append(fault.invalid(path, "", "may not be specified when `value` is not empty"))
    elif len(given) > 1:
        found.append(fault.invalid(path, "", "may not have more than one field specified at a time"))
    return found


def _field_ref(reference: Doc, path: str) -> list[FieldError]:
    field = reference.get("fieldPath") or ""
    if not field:
        return [fault.required(f"{path}.fieldPath")]
    if field in _FIELD_PATHS or field.startswith(("metadata.labels['", "metadata.annotations['")):
        return []
    if field.startswith(("metadata.labels", "metadata.annotations")):
        return [fault.not_supported(f"{path}.fieldPath", field, _FIELD_PATHS)]
    complaint = f"error converting fieldPath: field label not supported: {field}"
    return [fault.invalid(f"{path}.fieldPath", field, complaint)]


def _key_ref(reference: Doc, path: str) -> list[FieldError]:
    key = reference.get("key") or ""
    if not key:
        return [fault.required(f"{path}.key")]
    return fault.invalid_each(f"{path}.key", key, names.is_config_map_key(key))


def validate_env_from(sources: list[Doc], path: str) -> list[FieldError]:
    """`envFrom`: each entry names one ConfigMap or one Secret."""
    found = []
    for index, source in enumerate(sources):
        here, prefix = f"{path}[{index}]", source.get("prefix") or ""
        if prefix:
            found += fault.invalid_each(f"{here}.prefix", prefix, names.is_relaxed_env_var_name(prefix))
        given = [name for name in ("configMapRef", "secretRef") if source.get(name) is not None]
        found += [fault.required(f"{here}.{name}.name") for name in given if not source[name].get("name")]
        # Kubernetes names the whole list here, not the entry.
        if not given:
            found.append(fault.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(given) > 1:
            found.append(fault.invalid(path, "", "may not have more than one field specified at a time"))
    return found
