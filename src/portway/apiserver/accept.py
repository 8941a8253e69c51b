"""What form of answer a client asks for (RFC 9110 Accept, with Kubernetes' `as`, `g` and `v` parameters)."""

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

Shape = Literal["", "Table", "PartialObjectMetadata", "PartialObjectMetadataList", "APIGroupDiscoveryList"]
_VERSIONS = {
    "Table": ("v1", "v1beta1"),
    "PartialObjectMetadata": ("v1",),
    "PartialObjectMetadataList": ("v1",),
    "APIGroupDiscoveryList": ("v2",),
}
TYPES = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
_JSON = ("application/json", "application/*", "*/*")


class Form(Struct, frozen=True):
    """How to write the answer."""

    shape: Shape = ""
    """Empty: the documents themselves."""
    yaml: bool = False
    version: str = ""
    """Of the shape."""


def negotiate(header: str) -> Form | None:
    """The client's best that we have, JSON for protobuf too; None: nothing that we have is accepted."""
    known = not header.strip()
    for media, parameters in _preferred(header):
        known = known or media in (*TYPES, *_JSON)
        shape = parameters.get("as", "")
        if media == "application/yaml" and not shape:
            return Form(yaml=True)
        if media in _JSON and not shape:
            return Form()
        if media == "application/json" and parameters.get("v") in _VERSIONS.get(shape, ()):
            return Form(shape, version=parameters["v"])  # type: ignore[arg-type]
    return Form() if known else None


def _preferred(header: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Media types with their parameters, best first; equals in the order given."""
    clauses = []
    for clause in header.split(","):
        media, *rest = [part.strip() for part in clause.split(";")]
        parameters = dict(part.split("=", 1) for part in rest if "=" in part)
        clauses.append((_quality(parameters), media.lower(), parameters))
    for _, media, parameters in sorted(clauses, key=lambda clause: -clause[0]):
        yield media, parameters


def _quality(parameters: dict[str, str]) -> float:
    try:
        return float(parameters.get("q", "1"))
    except ValueError:
        return 0.0
