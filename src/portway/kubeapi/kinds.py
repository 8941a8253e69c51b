"""A Kind is data: its names, its scope, and the hooks of its life.

One generic handler serves every Kind; what is special about Services or Pods stands in their Kind's hooks and
nowhere else. Hooks get their own decoded copy of a document and may change it in place. The order in which the
API server calls them is Kubernetes' own (research/service-semantics.md 1.1):

create: decode → `default` → metadata filled → `begin_create` (allocation) → `prepare_create` → `validate` → store
update: decode → `default` → `begin_update` → `prepare_update` → `validate` → store
read:   `on_read` on every document that leaves
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from portway.kubeapi.errors import Doc, FieldError


class Claims(Protocol):
    """What one request has allocated so far; the pipeline commits it or rolls it back.

    Made by the allocators (kubeapi/service/allocation.py). `release` takes effect only on commit.
    """

    def commit(self) -> None:
        """Make it last: called once the document is stored."""

    def rollback(self) -> None:
        """Give back all that this request took: called when anything after allocation fails."""


class Resource(Struct, frozen=True):
    """Where documents of a Kind live in the API: group, version, plural, scope."""

    group: str
    version: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """`v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def prefix(self) -> str:
        """`/api/v1`, `/apis/apps/v1`."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of the collection (no `name`), of one document, or of its subresource."""
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        parts = [f"{self.prefix}{scope}/{self.plural}", name, subresource]
        return "/".join(part for part in parts if part)


class Column(Struct, frozen=True):
    """A column of `kubectl get`: `cell` computes its text (or number) from the document and the time now."""

    name: str
    cell: Callable[[Doc, float], Any]
    type: str = "string"
    format: str = ""
    priority: int = 0
    """0: always; 1: with -o wide."""
    description: str = ""


def _nothing(*_: Any) -> None:
    return None


def _no_errors(*_: Any) -> list[FieldError]:
    return []


def _no_warnings(*_: Any) -> list[str]:
    return []


class Kind(Struct, frozen=True, kw_only=True):
    """A resource type: see the module's head for what is called when."""

    group: str = ""
    version: str = "v1"
    kind: str
    plural: str
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    status: bool = False
    """Has a /status subresource (the main resource ignores status changes, /status ignores the rest)."""
    scale: bool = False
    """Has a /scale subresource over spec.replicas, status.replicas and spec.selector."""
    generation: bool = False
    """metadata.generation counts changes of anything but metadata and status."""
    verbs: tuple[str, ...] = (
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch",
    )
    served_versions: tuple[str, ...] = ()
    """All under which the same objects are served, if there are several; the first is the one that is meant when none
    is named."""
    inert: bool = False
    """Stored whole but nothing in Portway acts on it; `portway up` lists such kinds once."""
    schema: str = ""
    """The name of its type in kubeapi/schema, e.g. "Service"; empty: any fields are taken as they are."""
    columns: tuple[Column, ...] = ()
    """All columns of its table, NAME and AGE among them; none: NAME and AGE."""
    fields: Mapping[str, Callable[[Doc], str]] = {}
    """Field selectors beyond metadata.name and metadata.namespace."""

    name_rule: Callable[[str], Sequence[str]] | None = None
    """metadata.name's rule: returns messages, empty when fine. None: DNS-1123 subdomain."""
    default: Callable[[Doc], None] = _nothing
    on_read: Callable[[Doc, Any], None] = _nothing
    """(document, cluster): fills what older versions left out."""
    begin_create: Callable[[Doc, Any, bool], Claims | None] = _nothing
    """(document, cluster, dry_run) -> claims. May raise ApiError."""
    begin_update: Callable[[Doc, Doc, Any, bool], Claims | None] = _nothing
    """(new, old, cluster, dry_run) -> claims. May raise ApiError."""
    begin_delete: Callable[[Doc, Any], Claims | None] = _nothing
    """(document, cluster) -> claims whose commit releases what the document held."""
    prepare_create: Callable[[Doc], None] = _nothing
    prepare_update: Callable[[Doc, Doc], None] = _nothing
    """(new, old): e.g. drop fields that the new type does not have."""
    validate: Callable[[Doc, Doc | None], list[FieldError]] = _no_errors
    """(new, old or None on create): spec and kind-specific rules; generic metadata rules are the pipeline's."""
    validate_status: Callable[[Doc, Doc], list[FieldError]] = _no_errors
    """(new, old) for PUT and PATCH of /status."""
    warnings: Callable[[Doc, Doc | None], list[str]] = _no_warnings
    """Sent as `Warning: 299` headers."""

    @property
    def resource(self) -> Resource:
        """Where it lives."""
        return Resource(self.group, self.version, self.plural, self.namespaced)

    @property
    def api_version(self) -> str:
        """`v1`, `apps/v1`."""
        return self.resource.api_version
