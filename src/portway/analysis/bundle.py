"""The objects that one run looks at, wherever they came from: files, a fleet, a live cluster, a saved snapshot.

All inputs of a run form one Bundle. Nothing in it is changed or defaulted but `metadata.namespace`, which is filled
once for every namespaced object that leaves it out. A workload and the pods it would make are one `Workload`: checks
reason about pod templates, so that replicas cost nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar

from portway.analysis.finding import Where
from portway.kubeapi.errors import Doc
from portway.kubeapi.yaml import split

T = TypeVar("T")
Path = str | tuple[str | int, ...]
"""`spec.ports[0].port`, or names and indexes."""
Position = Callable[[Path], tuple[int, int]]
"""The line and column (from 1) of a field, or of the nearest thing around it that is written."""
Origin = Callable[[int], tuple[str, int]]
"""From which file, and which line in it, a line of a rendered text comes; 0: that is not known."""

TEMPLATED = {
    "Deployment": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicationController": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
"""Where each kind keeps its pod template."""
_GROUPS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("Service", "Pod", "Node", "Namespace", "Secret", "ReplicationController"), ()),
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"), ("apps", "extensions")),
    **dict.fromkeys(("Job", "CronJob"), ("batch",)),
    **dict.fromkeys(("NetworkPolicy", "Ingress", "IngressClass"), ("networking.k8s.io", "extensions")),
    **dict.fromkeys(("Gateway", "GatewayClass", "HTTPRoute", "GRPCRoute"), ("gateway.networking.k8s.io",)),
    **dict.fromkeys(
        ("ListenerSet", "TLSRoute", "TCPRoute", "UDPRoute", "ReferenceGrant", "BackendTLSPolicy"),
        ("gateway.networking.k8s.io",),
    ),
    "ClusterNetworkPolicy": ("policy.networking.k8s.io",),
    "EndpointSlice": ("discovery.k8s.io",),
}
"""Where kinds are at home whose names others use for something else; the core group is taken for a slip."""
CLUSTER_WIDE = frozenset(
    (
        *("Namespace", "Node", "PersistentVolume", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"),
        *("IngressClass", "GatewayClass", "StorageClass", "PriorityClass", "ServiceCIDR", "IPAddress"),
        *("ClusterNetworkPolicy", "AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "APIService", "RuntimeClass"),
        *("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", "CSIDriver"),
    )
)
"""Kinds without a namespace."""


class Item:
    """One object and where it is written."""

    def __init__(
        self,
        value: Doc,
        file: str = "",
        position: Position | None = None,
        text: str = "",
        origin: Origin | None = None,
    ) -> None:
        """`file`: empty for an object of a live cluster. `text`: the whole file, for comments and fixes. `origin`: of
        a text that a tool rendered.
        """
        self.value = value
        self.file = file
        self.text = text
        self.origin = origin
        self._position = position

    def __repr__(self) -> str:
        return f"Item({self.named})"

    @cached_property
    def kind(self) -> str:
        """`Service`; of another group than Kubernetes' with its group, `NetworkPolicy.projectcalico.org`."""
        kind = str(self.value.get("kind", ""))
        return f"{kind}.{self.group}" if self.group and self.group not in _GROUPS.get(kind, (self.group,)) else kind

    @property
    def group(self) -> str:
        """`networking.k8s.io`; empty for the core group."""
        return str(self.value.get("apiVersion", "")).rpartition("/")[0]

    @property
    def metadata(self) -> Doc:
        """`metadata`, or an empty object."""
        found = self.value.get("metadata")
        return found if isinstance(found, dict) else {}

    @property
    def name(self) -> str:
        """`metadata.name`, or `metadata.generateName`."""
        return str(self.metadata.get("name") or self.metadata.get("generateName") or "")

    @property
    def namespace(self) -> str:
        """Filled in by the Bundle; empty for kinds without one."""
        return str(self.metadata.get("namespace") or "")

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, name)."""
        return self.namespace, self.name

    @property
    def named(self) -> str:
        """`Service shop/web`, `Node node-1`."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    @property
    def labels(self) -> Mapping[str, str]:
        """`metadata.labels`."""
        return strings(self.metadata.get("labels"))

    @property
    def annotations(self) -> Mapping[str, str]:
        """`metadata.annotations`."""
        return strings(self.metadata.get("annotations"))

    @property
    def spec(self) -> Doc:
        """`spec`, or an empty object."""
        found = self.value.get("spec")
        return found if isinstance(found, dict) else {}

    def get(self, path: Path, default: Any = None) -> Any:
        """The value at a path; `default` where something on the way is missing or of another shape."""
        return dig(self.value, path, default)

    def draft(self) -> Doc:
        """A copy that a create request could send: without status, and without what only a cluster says."""
        body = {key: copied(value) for key, value in self.value.items() if key != "status"}
        body["metadata"] = {k: v for k, v in body["metadata"].items() if k not in ("resourceVersion", "managedFields")}
        return body

    def where(self, path: Path = ()) -> Where:
        """The place of a field, for a finding."""
        line, column = self._position(path) if self._position else (0, 0)
        if self.origin is None:
            return Where(self.named, written(path), self.file, line, column)
        file, there = self.origin(line)
        same = (file, there) == (self.file, line)
        return Where(self.named, written(path), file, there, column if same else min(there, 1))


class Workload:
    """Something that makes pods, or a pod that nothing here makes."""

    def __init__(self, item: Item, prefix: tuple[str, ...]) -> None:
        self.item = item
        self.prefix = prefix
        """The path of its pod (template): metadata and spec are below."""
        self._derived: dict[Callable[[Workload], Any], Any] = {}

    def derived(self, make: Callable[["Workload"], T]) -> T:
        """What a function makes of it, made once however many checks ask."""
        if make not in self._derived:
            self._derived[make] = make(self)
        found: T = self._derived[make]
        return found

    def __repr__(self) -> str:
        return f"Workload({self.item.named})"

    @property
    def namespace(self) -> str:
        """Of its pods."""
        return self.item.namespace

    @cached_property
    def template(self) -> Doc:
        """The pod's metadata and spec."""
        found = dig(self.item.value, self.prefix, {})
        return found if isinstance(found, dict) else {}

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """Its pods' labels."""
        return strings(dig(self.template, ("metadata", "labels")))

    @cached_property
    def pod_spec(self) -> Doc:
        """`spec` of its pods."""
        found = self.template.get("spec")
        return found if isinstance(found, dict) else {}

    @property
    def replicas(self) -> int | None:
        """How many pods; None where nodes decide (DaemonSet)."""
        if self.item.kind == "DaemonSet":
            return None
        if self.item.kind in ("Pod", "Job", "CronJob"):
            return 1
        wanted = self.item.spec.get("replicas", 1)
        return wanted if isinstance(wanted, int) else 1

    def path(self, *rest: str | int) -> tuple[str | int, ...]:
        """A path below its pod (template): `path("spec", "hostNetwork")`."""
        return (*self.prefix, *rest)

    def containers(self) -> Sequence[tuple[tuple[str | int, ...], Doc]]:
        """Each container that runs while the pod serves, with its path: containers, and init containers that stay."""
        return self._containers

    @cached_property
    def _containers(self) -> Sequence[tuple[tuple[str | int, ...], Doc]]:
        return tuple(
            (self.path("spec", field, index), one)
            for field in ("containers", "initContainers")
            for index, one in enumerate(_objects(self.pod_spec.get(field)))
            if field == "containers" or one.get("restartPolicy") == "Always"
        )

    def ports(self) -> Iterator[tuple[tuple[str | int, ...], Doc]]:
        """Each declared container port with its path, in Kubernetes' order of looking (FindPort)."""
        for path, container in self.containers():
            for index, port in enumerate(_objects(container.get("ports"))):
                yield (*path, "ports", index), port


class Bundle:
    """All objects of a run."""

    def __init__(
        self,
        items: Iterable[Item],
        *,
        complete: bool = False,
        default_namespace: str = "default",
        partial: bool = False,
        taken: str = "",
    ) -> None:
        """`complete`: a whole cluster, so that what is not here does not exist; else it is unknown. `partial`: a part
        of the input could not be read, so that nothing can be said to be missing. `taken`: when the cluster was so,
        RFC 3339; empty where nobody says.
        """
        self.items = tuple(items)
        self.complete = complete
        self.partial = partial
        self.taken = taken
        self._derived: dict[Callable[[Bundle], Any], Any] = {}
        for item in self.items:
            if item.kind not in CLUSTER_WIDE and not item.metadata.get("namespace"):
                item.value = {**item.value, "metadata": {**item.metadata, "namespace": default_namespace}}

    def derived(self, make: Callable[["Bundle"], T]) -> T:
        """What a function makes of it, made once however many checks ask."""
        if make not in self._derived:
            self._derived[make] = make(self)
        found: T = self._derived[make]
        return found

    @cached_property
    def by_kind(self) -> Mapping[str, tuple[Item, ...]]:
        """All items of each kind, in input order."""
        found: dict[str, list[Item]] = {}
        for item in self.items:
            found.setdefault(item.kind, []).append(item)
        return {kind: tuple(items) for kind, items in found.items()}

    def of(self, *kinds: str) -> Iterator[Item]:
        """The items of these kinds."""
        for kind in kinds:
            yield from self.by_kind.get(kind, ())

    def within(self, namespace: str, kind: str) -> tuple[Item, ...]:
        """The items of a kind in a namespace."""
        return self._by_namespace.get((namespace, kind), ())

    @cached_property
    def _by_namespace(self) -> Mapping[tuple[str, str], tuple[Item, ...]]:
        found: dict[tuple[str, str], list[Item]] = {}
        for item in self.items:
            found.setdefault((item.namespace, item.kind), []).append(item)
        return {key: tuple(items) for key, items in found.items()}

    def find(self, kind: str, namespace: str, name: str) -> Item | None:
        """The object of that name; the last one where several inputs have it, as `apply` leaves it."""
        return self._named.get((kind, namespace, name))

    @cached_property
    def _named(self) -> Mapping[tuple[str, str, str], Item]:
        return {(item.kind, *item.key): item for item in self.items}

    @cached_property
    def workloads(self) -> tuple[Workload, ...]:
        """What makes pods here: templates, and pods whose owner is not here; replicas of a template are left out.

        Of other kinds, those with a pod template where Deployments have it.
        """
        made = [Workload(item, TEMPLATED[item.kind]) for item in self.of(*TEMPLATED) if not self._owned(item)]
        others = (item for item in self.items if item.kind not in TEMPLATED and _has_template(item))
        made += [Workload(item, _TEMPLATE) for item in others if not self._owned(item)]
        bare = [Workload(item, ()) for item in self.of("Pod") if not self._owned(item)]
        return (*made, *bare)

    def workloads_in(self, namespace: str) -> tuple[Workload, ...]:
        """Those of a namespace."""
        return self._workloads_by_namespace.get(namespace, ())

    @cached_property
    def _workloads_by_namespace(self) -> Mapping[str, tuple[Workload, ...]]:
        found: dict[str, list[Workload]] = {}
        for workload in self.workloads:
            found.setdefault(workload.namespace, []).append(workload)
        return {namespace: tuple(workloads) for namespace, workloads in found.items()}

    def _owned(self, item: Item) -> bool:
        """Whether the template that it was made from is in the bundle too (a Deployment's ReplicaSet, a ReplicaSet's
        pod). A controller without one, such as a Gateway, says nothing of pods.
        """
        owners = [one for one in _objects(item.metadata.get("ownerReferences")) if one.get("controller")]
        found = (self.find(str(owner.get("kind")), item.namespace, str(owner.get("name"))) for owner in owners)
        return any(owner is not None and (owner.kind in TEMPLATED or _has_template(owner)) for owner in found)

    def selected(self, namespace: str, selector: Mapping[str, str]) -> tuple[Workload, ...]:
        """The workloads whose pods a Service with this selector selects; none for an empty selector."""
        if not selector:
            return ()
        candidates = min((self.labelled(namespace, *pair) for pair in selector.items()), key=len)
        return tuple(one for one in candidates if selector.items() <= one.labels.items())

    def labelled(self, namespace: str, key: str, value: str) -> Sequence[Workload]:
        """The workloads of a namespace whose pods have a label."""
        return self._labelled.get((namespace, key, value), ())

    @cached_property
    def _labelled(self) -> Mapping[tuple[str, str, str], list[Workload]]:
        found: dict[tuple[str, str, str], list[Workload]] = {}
        for workload in self.workloads:
            for key, value in workload.labels.items():
                found.setdefault((workload.namespace, key, value), []).append(workload)
        return found

    @cached_property
    def namespaces(self) -> frozenset[str]:
        """Those that something here is in, or that are objects here."""
        return frozenset(
            {item.namespace for item in self.items if item.namespace} | {n.name for n in self.of("Namespace")}
        )

    def in_scope(self, kind: str, namespace: str) -> bool:
        """Whether an object of that kind and namespace that is not here can be said to be missing.

        Not where a part of the input could not be read. Else always in a whole cluster; with files, where the input has
        objects of that kind in that namespace: a team that gives one of its Services gives all. Elsewhere a missing
        object is unknown, which is no error.
        """
        return not self.partial and (self.complete or (kind, namespace) in self._given)

    @cached_property
    def _given(self) -> frozenset[tuple[str, str]]:
        return frozenset((item.kind, item.namespace) for item in self.items)


_TEMPLATE = ("spec", "template")


def makes_pods(item: Item) -> bool:
    """Whether it is a pod, or has a template of some: also of a kind that is not Kubernetes' own."""
    return item.kind in TEMPLATED or item.kind == "Pod" or _has_template(item)


def _has_template(item: Item) -> bool:
    return isinstance(item.get((*_TEMPLATE, "spec", "containers")), list)


def dig(value: Any, path: Path, default: Any = None) -> Any:
    """The value at a path below `value`; `default` where something on the way is missing or of another shape."""
    for part in steps(path):
        if isinstance(part, int):
            if not isinstance(value, list) or not -len(value) <= part < len(value):
                return default
            value = value[part]
        else:
            if not isinstance(value, dict) or part not in value:
                return default
            value = value[part]
    return default if value is None else value


def copied(value: Any) -> Any:
    """A document, or a part of one, that may be changed without changing this one."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


def steps(path: Path) -> tuple[str | int, ...]:
    """A path as names and indexes."""
    return split(path) if isinstance(path, str) else path


def written(path: Path) -> str:
    """A path as Kubernetes writes it: `spec.ports[0].port`, `metadata.annotations[example.com/a]`."""
    text = ""
    for part in steps(path):
        plain = isinstance(part, str) and "." not in part and "/" not in part
        text += (f".{part}" if text else str(part)) if plain else f"[{part}]"
    return text


def strings(value: Any) -> Mapping[str, str]:
    """A map of strings, as labels and selectors are; what is no string in it is written as one."""
    return {str(key): str(item) for key, item in value.items()} if isinstance(value, dict) else {}


def _objects(value: Any) -> list[Doc]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
