"""What every step needs to know, and what the steps make."""

from typing import Any, Literal

from msgspec import Struct

from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Claims, Kind

FieldValidation = Literal["Strict", "Warn", "Ignore"]


class Request(Struct, frozen=True, kw_only=True):
    """One write of one Kind."""

    kind: Kind
    namespace: str = ""
    """From the path; empty for cluster-scoped kinds."""
    name: str = ""
    """From the path; empty for create."""
    cluster: Any = None
    """What allocation needs (kubeapi.cluster.Cluster); handed to the Kind's hooks."""
    now: str
    """RFC 3339, seconds, `Z`."""
    uid: str = ""
    """For a document that is created."""
    suffix: str = ""
    """Five characters that complete a generateName."""
    dry_run: bool = False
    field_validation: FieldValidation = "Warn"
    manager: str = ""
    """Who writes, for metadata.managedFields."""
    applied: bool = False
    """The body is what an apply made: its managedFields are up to date."""
    subresource: str = ""
    duplicates: tuple[str, ...] = ()
    """Paths that the body's text gives more than once (strict.duplicate_fields)."""


class Prepared(Struct, frozen=True):
    """A document ready to be stored. Whoever holds it commits its claims or rolls them back."""

    doc: Doc
    claims: Claims | None = None
    warnings: list[str] = []
    changed: bool = True
    """False: equal to what is stored; nothing needs to be written."""

    def commit(self) -> None:
        """It is stored."""
        if self.claims is not None:
            self.claims.commit()

    def rollback(self) -> None:
        """It is not stored."""
        rollback(self.claims)


def rollback(claims: Claims | None) -> None:
    """Give back what was claimed, if anything was."""
    if claims is not None:
        claims.rollback()
