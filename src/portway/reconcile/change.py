"""What a controller wants done, as values."""

from msgspec import Struct

from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Resource


class Create(Struct, frozen=True):
    """Create `document` (its namespace is in metadata)."""

    resource: Resource
    document: Doc


class Update(Struct, frozen=True):
    """Replace the stored document; metadata.resourceVersion guards against a lost update.

    `subresource` is "" or "status".
    """

    resource: Resource
    document: Doc
    subresource: str = ""


class Delete(Struct, frozen=True):
    """Delete by name, only if it still is the same object (`uid`)."""

    resource: Resource
    namespace: str
    name: str
    uid: str = ""


class Bind(Struct, frozen=True):
    """The scheduler's word: POST pods/NAME/binding."""

    namespace: str
    pod: str
    node: str


class Event(Struct, frozen=True):
    """A `v1.Event` about `regarding` (any document)."""

    regarding: Doc
    type: str
    """"Normal" | "Warning"."""
    reason: str
    message: str
    component: str
    """source.component, e.g. "deployment-controller"."""
    host: str = ""
    """source.host: the node that says it, if one does."""


Change = Create | Update | Delete | Bind | Event
