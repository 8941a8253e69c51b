"""The two ends of a connection: whose pod an address is, and what selectors and addresses say of it."""

from msgspec import Struct

from portway.model import Connection, Labels, LabelSelector, Pod, PolicySnapshot

NAME_LABEL = "kubernetes.io/metadata.name"
"""The label that every namespace carries and nobody can change."""


class Ends(Struct, frozen=True):
    """Who talks to whom. None: an address that is no pod's with policies of its own."""

    connection: Connection
    source: Pod | None
    destination: Pod | None

    @property
    def same_pod(self) -> bool:
        """A pod that talks to itself, as only a Service makes it do: its own address never leaves it."""
        return self.source is not None and self.source == self.destination


def ends_of(snapshot: PolicySnapshot, connection: Connection) -> Ends:
    """The pods at both ends."""
    return Ends(connection, owner(snapshot, connection.source), owner(snapshot, connection.destination))


def owner(snapshot: PolicySnapshot, address: str) -> Pod | None:
    """The pod that has the address for itself; the first by (namespace, name) should several claim it."""
    claimants = [pod for pod in snapshot.pods.values() if pod.has_policies and address in pod.addresses]
    return min(claimants, key=lambda pod: (pod.namespace, pod.name), default=None)


def namespace_labels(snapshot: PolicySnapshot, name: str) -> Labels:
    """A namespace's labels; of one that is not known (yet), only the label of its name."""
    namespace = snapshot.namespaces.get(name)
    return namespace.labels if namespace else {NAME_LABEL: name}


def selects(snapshot: PolicySnapshot, pod: Pod, namespaces: LabelSelector | None, pods: LabelSelector | None) -> bool:
    """Whether both selectors take the pod; None asks nothing."""
    in_namespace = namespaces is None or namespaces.matches(namespace_labels(snapshot, pod.namespace))
    return in_namespace and (pods is None or pods.matches(pod.labels))


def own_node(snapshot: PolicySnapshot, pod: Pod, address: str) -> bool:
    """Whether the address is one of the pod's own node."""
    node = snapshot.nodes.get(pod.node_name)
    return node is not None and address in node.addresses
