"""Which documents a list or watch is about."""

from collections.abc import Iterable

import msgspec
from msgspec import Struct

from portway.apiserver.call import Call
from portway.kubeapi.errors import Doc
from portway.kubeapi.selectors import FieldSelector, parse_fields, parse_labels
from portway.model import LabelSelector
from portway.store import Entry


class Selection(Struct, frozen=True):
    """labelSelector and fieldSelector of a request, and the name when the path gives one."""

    labels: LabelSelector
    fields: FieldSelector
    name: str = ""

    @property
    def everything(self) -> bool:
        """Selects all there is."""
        return self.labels.empty and not self.fields.terms and not self.name

    def matches(self, doc: Doc) -> bool:
        """Whether a document is meant."""
        metadata = doc["metadata"]
        if self.name and metadata["name"] != self.name:
            return False
        return self.labels.matches(metadata.get("labels")) and self.fields.matches(doc)

    def matches_value(self, value: bytes | None) -> bool:
        """The same for stored bytes; None (absent) is not meant."""
        return value is not None and (self.everything or self.matches(msgspec.json.decode(value)))

    def of(self, entries: Iterable[Entry]) -> list[Entry]:
        """Those of the entries that are meant."""
        return [entry for entry in entries if self.matches_value(entry.value)]


def selection(call: Call) -> Selection:
    """From the query. Raises 400."""
    return Selection(
        parse_labels(call.query.get("labelSelector", "")),
        parse_fields(call.query.get("fieldSelector", ""), call.target.kind),
        call.target.name,
    )
