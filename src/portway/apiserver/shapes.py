"""Documents in other shapes: tables for kubectl, metadata alone for controllers."""

import time
from collections.abc import Sequence

import msgspec

from portway.apiserver.accept import Form
from portway.kubeapi import printing
from portway.kubeapi.errors import Doc
from portway.kubeapi.kinds import Kind
from portway.kubeapi.pipeline import with_revision
from portway.store import Entry

_VERSION = b'"apiVersion":"'
"""Its first occurrence is the document's own: nothing but the kind stands before it."""


def stored(entry: Entry) -> bytes:
    """A document's bytes with its resourceVersion."""
    return with_revision(entry.value, entry.revision)


def as_served(kind: Kind, value: bytes) -> bytes:
    """A document's bytes under the version that is asked for: it may have been written under another one."""
    if not kind.served_versions:
        return value
    begin = value.find(_VERSION) + len(_VERSION)
    return value[:begin] + kind.api_version.encode() + value[value.index(b'"', begin) :]


def list_of(kind: Kind, values: Sequence[bytes], metadata: Doc) -> bytes:
    """`kind: ServiceList`; the items are joined as they are."""
    head = {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": metadata}
    items = b",".join(as_served(kind, value) for value in values)
    return b'%b,"items":[%b]}' % (msgspec.json.encode(head)[:-1], items)


def reshaped(kind: Kind, value: bytes, form: Form, include: str = "") -> bytes:
    """One document in the form's shape."""
    if form.shape == "Table":
        doc = msgspec.json.decode(value)
        version = doc["metadata"].get("resourceVersion", "")
        return msgspec.json.encode(table(kind, [doc], {"resourceVersion": version}, form, include))
    if form.shape == "PartialObjectMetadata":
        return msgspec.json.encode(partial(msgspec.json.decode(value)))
    return as_served(kind, value)


def reshaped_list(kind: Kind, values: Sequence[bytes], metadata: Doc, form: Form, include: str = "") -> bytes:
    """Documents in the form's shape."""
    if form.shape == "Table":
        docs = [msgspec.json.decode(value) for value in values]
        return msgspec.json.encode(table(kind, docs, metadata, form, include))
    if form.shape == "PartialObjectMetadataList":
        items = [partial(msgspec.json.decode(value)) for value in values]
        head = {"kind": form.shape, "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
        return msgspec.json.encode(head | {"items": items})
    return list_of(kind, values, metadata)


def partial(doc: Doc) -> Doc:
    """Its metadata alone."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": doc["metadata"]}


def table(kind: Kind, docs: Sequence[Doc], metadata: Doc, form: Form, include: str = "") -> Doc:
    """What kubectl prints. `include`: "None", "Metadata" (the default) or "Object" of each row. Raises 400."""
    return printing.table(kind, docs, time.time(), metadata, include) | {"apiVersion": f"meta.k8s.io/{form.version}"}


def metadata_of(value: bytes) -> Doc:
    """The metadata of a document's bytes."""
    metadata: Doc = msgspec.json.decode(value)["metadata"]
    return metadata
