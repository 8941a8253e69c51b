"""What a pod gets that its author left out.

Source: k8s.io/kubernetes pkg/apis/core/v1/defaults.go, and for `admit` the admission plugins ServiceAccount,
Priority and DefaultTolerationSeconds.
"""

from collections.abc import Iterator

from portway.kubeapi.errors import Doc

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_SPEC = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
}
_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_DEFAULT_MODE = {"secret": 0o644, "configMap": 0o644, "downwardAPI": 0o644, "projected": 0o644}
_TOLERATED = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


def containers_of(spec: Doc) -> Iterator[Doc]:
    """Every container: ordinary, init and ephemeral."""
    for field in ("containers", "initContainers", "ephemeralContainers"):
        yield from spec.get(field) or ()


def default_spec(spec: Doc) -> None:
    """Fills a PodSpec, of a pod or of a template."""
    for field, value in _SPEC.items():
        if spec.get(field) in (None, ""):
            spec[field] = value
    if spec.get("securityContext") is None:
        spec["securityContext"] = {}
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if account:
        spec["serviceAccountName"] = spec["serviceAccount"] = account
    for volume in spec.get("volumes") or ():
        _default_volume(volume)
    for container in containers_of(spec):
        _default_container(container)


def default_pod(spec: Doc) -> None:
    """What pods get but templates do not."""
    spec.setdefault("enableServiceLinks", True)
    for field in ("containers", "initContainers"):
        for container in spec.get(field) or ():
            _default_requests(container)
            if spec.get("hostNetwork"):
                _default_host_ports(container)


def admit(spec: Doc) -> None:
    """What the default admission plugins fill in when a pod is created."""
    account = spec.get("serviceAccountName") or "default"
    spec["serviceAccountName"] = spec["serviceAccount"] = account
    spec.setdefault("priority", 0)
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    tolerations = list(spec.get("tolerations") or ())
    missing = [key for key in _TOLERATED if not any(_tolerates(item, key) for item in tolerations)]
    added = [{"key": k, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300} for k in missing]
    spec["tolerations"] = tolerations + added


def _tolerates(toleration: Doc, key: str) -> bool:
    return toleration.get("key") in (None, "", key) and toleration.get("effect") in (None, "", "NoExecute")


def _default_container(container: Doc) -> None:
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = pull_policy(container.get("image") or "")
    if not container.get("terminationMessagePath"):
        container["terminationMessagePath"] = "/dev/termination-log"
    if not container.get("terminationMessagePolicy"):
        container["terminationMessagePolicy"] = "File"
    if container.get("resources") is None:
        container["resources"] = {}
    for port in container.get("ports") or ():
        if not port.get("protocol"):
            port["protocol"] = "TCP"
    for variable in container.get("env") or ():
        _default_field_ref(variable.get("valueFrom") or {})
    for probe in PROBES:
        if container.get(probe):
            _default_probe(container[probe])
    for hook in ("postStart", "preStop"):
        _default_http_get((container.get("lifecycle") or {}).get(hook) or {})


def pull_policy(image: str) -> str:
    """Always for the tag latest, written or implied; IfNotPresent for other tags and for digests."""
    if "@" in image:
        return "IfNotPresent"
    _, _, tag = image.rpartition("/")[2].partition(":")
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def _default_field_ref(source: Doc) -> None:
    reference = source.get("fieldRef")
    if reference and not reference.get("apiVersion"):
        reference["apiVersion"] = "v1"


def _default_probe(probe: Doc) -> None:
    for field, value in _PROBE.items():
        probe[field] = probe.get(field) or value
    _default_http_get(probe)
    if probe.get("grpc") is not None:
        probe["grpc"].setdefault("service", "")


def _default_http_get(handler: Doc) -> None:
    action = handler.get("httpGet")
    if action is not None:
        action["path"] = action.get("path") or "/"
        action["scheme"] = action.get("scheme") or "HTTP"


def _default_requests(container: Doc) -> None:
    resources = container.get("resources") or {}
    if resources.get("limits"):
        resources["requests"] = resources["limits"] | (resources.get("requests") or {})


def _default_host_ports(container: Doc) -> None:
    for port in container.get("ports") or ():
        port["hostPort"] = port.get("hostPort") or port.get("containerPort")


def _default_volume(volume: Doc) -> None:
    sources = [field for field in volume if field != "name" and volume[field] is not None]
    if not sources:
        volume["emptyDir"] = {}
    for source, mode in _DEFAULT_MODE.items():
        if volume.get(source) is not None and volume[source].get("defaultMode") is None:
            volume[source]["defaultMode"] = mode
    if volume.get("hostPath") is not None:
        volume["hostPath"].setdefault("type", "")
    for item in (volume.get("downwardAPI") or {}).get("items") or ():
        _default_field_ref(item)
    for source in (volume.get("projected") or {}).get("sources") or ():
        _default_projection(source)


def _default_projection(source: Doc) -> None:
    if source.get("serviceAccountToken") is not None and not source["serviceAccountToken"].get("expirationSeconds"):
        source["serviceAccountToken"]["expirationSeconds"] = 3600
    for item in (source.get("downwardAPI") or {}).get("items") or ():
        _default_field_ref(item)
