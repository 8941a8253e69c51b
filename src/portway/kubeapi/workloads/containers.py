"""Validation of containers and init containers.

Source: k8s.io/kubernetes pkg/apis/core/validation (validateContainers, validateInitContainers and what they call).
"""

from collections.abc import Iterable, Set

from portway.kubeapi import fault, names, quantity
from portway.kubeapi.errors import Doc, FieldError
from portway.kubeapi.workloads.environment import validate_env, validate_env_from
from portway.kubeapi.workloads.probes import validate_lifecycle, validate_probes
from portway.kubeapi.workloads.volumes import validate_mounts

PROTOCOLS = ("SCTP", "TCP", "UDP")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_ONLY_FOR_SIDECARS = "may not be set for init containers without restartPolicy=Always"


def validate_containers(containers: list[Doc], volumes: Set[str], path: str) -> list[FieldError]:
    """The pod's ordinary containers: at least one, names and host ports differ."""
    if not containers:
        return [fault.required(path)]
    found: list[FieldError] = []
    seen: set[str] = set()
    for index, container in enumerate(containers):
        here, name = f"{path}[{index}]", container.get("name") or ""
        found += _common(container, volumes, here)
        if name in seen:
            found.append(fault.duplicate(f"{here}.name", name))
        seen.add(name)
        found += _lifetime(container, here)
    return found + _host_port_conflicts(containers, path)


def validate_init_containers(
    containers: list[Doc], ordinary: list[Doc], volumes: Set[str], path: str
) -> list[FieldError]:
    """Init containers share the names of the ordinary ones; only sidecars (restartPolicy Always) have probes."""
    found: list[FieldError] = []
    seen = {container.get("name") or "" for container in ordinary}
    for index, container in enumerate(containers):
        here, name = f"{path}[{index}]", container.get("name") or ""
        found += _common(container, volumes, here) + _init_restart_policy(container, here)
        if name in seen:
            found.append(fault.duplicate(f"{here}.name", name))
        seen.add(name)
        found += _host_port_conflicts([container], path)
        found += (
            _lifetime(container, here) if container.get("restartPolicy") == "Always" else _no_lifetime(container, here)
        )
    return found


def _init_restart_policy(container: Doc, path: str) -> list[FieldError]:
    policy = container.get("restartPolicy")
    if policy in (None, "Always", "Never", "OnFailure"):
        return []
    return [fault.not_supported(f"{path}.restartPolicy", policy, ("Always", "Never", "OnFailure"))]


def _lifetime(container: Doc, path: str) -> list[FieldError]:
    lifecycle = container.get("lifecycle")
    found = validate_lifecycle(lifecycle, f"{path}.lifecycle") if lifecycle else []
    return found + validate_probes(container, path)


def _no_lifetime(container: Doc, path: str) -> list[FieldError]:
    fields = ("lifecycle", "livenessProbe", "readinessProbe", "startupProbe")
    return [fault.forbidden(f"{path}.{name}", _ONLY_FOR_SIDECARS) for name in fields if container.get(name) is not None]


def _common(container: Doc, volumes: Set[str], path: str) -> list[FieldError]:
    found, name = [], container.get("name") or ""
    if not name:
        found.append(fault.required(f"{path}.name"))
    else:
        found += fault.invalid_each(f"{path}.name", name, names.is_dns1123_label(name))
    if not container.get("image"):
        found.append(fault.required(f"{path}.image"))
    found += one_of(container, "terminationMessagePolicy", _MESSAGE_POLICIES, path)
    found += _ports(container.get("ports") or [], f"{path}.ports")
    found += validate_env(container.get("env") or [], f"{path}.env")
    found += validate_env_from(container.get("envFrom") or [], f"{path}.envFrom")
    found += validate_mounts(container.get("volumeMounts") or [], volumes, f"{path}.volumeMounts")
    found += one_of(container, "imagePullPolicy", _PULL_POLICIES, path)
    return found + _resources(container.get("resources") or {}, f"{path}.resources")


def one_of(holder: Doc, name: str, supported: tuple[str, ...], path: str) -> list[FieldError]:
    """A field that must be given and be one of these values."""
    value = holder.get(name)
    if not value:
        return [fault.required(f"{path}.{name}")]
    return [] if value in supported else [fault.not_supported(f"{path}.{name}", value, supported)]


def _ports(ports: list[Doc], path: str) -> list[FieldError]:
    found: list[FieldError] = []
    seen: set[str] = set()
    for index, port in enumerate(ports):
        found += _port(port, seen, f"{path}[{index}]")
    return found


def _port(port: Doc, seen: set[str], path: str) -> list[FieldError]:
    found, name = [], port.get("name") or ""
    if name:
        messages = names.is_valid_port_name(name)
        found += fault.invalid_each(f"{path}.name", name, messages)
        if name in seen:
            found.append(fault.duplicate(f"{path}.name", name))
        elif not messages:
            seen.add(name)
    number, host = port.get("containerPort") or 0, port.get("hostPort") or 0
    if not number:
        found.append(fault.required(f"{path}.containerPort"))
    else:
        found += fault.invalid_each(f"{path}.containerPort", number, names.is_valid_port_num(number))
    if host:
        found += fault.invalid_each(f"{path}.hostPort", host, names.is_valid_port_num(host))
    return found + one_of(port, "protocol", PROTOCOLS, path)


def _host_port_conflicts(containers: Iterable[Doc], path: str) -> list[FieldError]:
    found: list[FieldError] = []
    seen: set[str] = set()
    for outer, container in enumerate(containers):
        for inner, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            text = f"{port.get('protocol', '')}/{port.get('hostIP') or ''}/{port['hostPort']}"
            if text in seen:
                found.append(fault.duplicate(f"{path}[{outer}].ports[{inner}].hostPort", text))
            seen.add(text)
    return found


def _resources(resources: Doc, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    amounts: dict[str, dict[str, quantity.Quantity]] = {"limits": {}, "requests": {}}
    for bag, parsed in amounts.items():
        for name, text in (resources.get(bag) or {}).items():
            here = f"{path}.{bag}[{name}]"
            try:
                parsed[name] = quantity.parse(text)
            except ValueError as error:
                found.append(fault.invalid(here, text, str(error)))
                continue
            if parsed[name].nanos < 0:
                found.append(fault.invalid(here, str(text), "must be greater than or equal to 0"))
    for name, asked in amounts["requests"].items():
        limit = amounts["limits"].get(name)
        if limit is not None and asked > limit:
            complaint = f"must be less than or equal to {name} limit of {limit}"
            found.append(fault.invalid(f"{path}.requests", str(asked), complaint))
    return found
