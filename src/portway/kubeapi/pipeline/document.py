"""The form in which documents are kept: kind, apiVersion, metadata in the usual order, no resourceVersion.

The resourceVersion is the store's to give, so it is spliced into the bytes when a document leaves.
"""

import msgspec

from portway.kubeapi.errors import Doc

_HEAD = ("kind", "apiVersion", "metadata")
_METADATA = ("name", "generateName", "namespace", "uid", "generation", "creationTimestamp")
_OMITTED_WHEN_EMPTY = (
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "generation",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
)
_MARK = b'"metadata":{'


def arranged(doc: Doc) -> Doc:
    """The document in the order in which it is kept, metadata without empty members and resourceVersion."""
    kept = {k: v for k, v in doc["metadata"].items() if k != "resourceVersion" and (v or k not in _OMITTED_WHEN_EMPTY)}
    metadata = {key: kept[key] for key in _METADATA if key in kept} | kept
    ordered = {key: doc[key] for key in _HEAD if key in doc} | doc
    return ordered | {"metadata": metadata}


def encode(doc: Doc) -> bytes:
    """The bytes to store."""
    return msgspec.json.encode(arranged(doc))


def with_revision(value: bytes, revision: int) -> bytes:
    """Stored bytes with their resourceVersion: first of the metadata. Nothing before it can hold a quoted brace."""
    place = value.find(_MARK) + len(_MARK)
    return b'%b"resourceVersion":"%d",%b' % (value[:place], revision, value[place:])
