"""What an API server is told when it starts."""

from pathlib import Path

from msgspec import Struct

from portway.kubeapi.cluster import NODE_PORT_RANGE, SERVICE_CIDRS
from portway.kubeapi.errors import Doc


class ServerConfig(Struct, frozen=True, kw_only=True):
    """Paths and ranges; everything else is in the data."""

    data: Path
    """The database; made when it is not there."""
    pki: Path
    """The folder that `pki.create` filled."""
    pod_logs: Path
    """Holds UID/CONTAINER.log."""
    kubelets: Path
    """Holds NODE.sock, by which commands reach pods."""
    service_cidrs: tuple[str, ...] = SERVICE_CIDRS
    """One per family, the primary family first."""
    node_port_range: tuple[int, int] = NODE_PORT_RANGE
    """First and last."""
    inside: tuple[str, int] | None = None
    """Where pods reach this server, behind the Service `kubernetes`; None: nowhere."""
    first_objects: tuple[Doc, ...] = ()
    """What the cluster has from its beginning, beside its namespaces and the Service of the API."""
