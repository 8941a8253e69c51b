"""The notation in which the types are written, and its reader.

    package io.k8s.api.core.v1

    ServiceSpec  # What a Service promises.
      externalIPs []string
      ports [port,protocol]ServicePort  # One line of the promise each.
      selector {}string atomic

A line without indent names a Type; its fields follow, two spaces in: name (`!` when required), type, flags, and after
`#` a sentence for people, on the next line where it would not fit. The type says how many:

    T        one                    []T      a list that is replaced as a whole
    {}T      a map from strings     [set]T   a list whose values are unique
                                    [a,b]T   a list of objects identified by the fields a and b; strategic merge
                                             patch joins them by the first

Flags:

    merge  replace  retainKeys  merge,retainKeys    x-kubernetes-patch-strategy, as Kubernetes spells it
    nopatch     identified for server-side apply only
    atomic      server-side apply treats it as one value (on a type's line: wherever the type is used)
    =A|B        the values there are
    default:V   what it is when not given
    go:T        Go's name of its type, where that is not the scalar's own: go:v1.Protocol
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

Many = Literal["", "list", "map"]

SCALARS = frozenset(
    {
        "string",
        "integer",
        "int64",
        "boolean",
        "number",
        "IntOrString",
        "Quantity",
        "Time",
        "MicroTime",
        "object",
        "bytes",
    }
)
"""`integer` is int32; `bytes` is base64 text; `object` is any JSON."""


class Field(Struct, frozen=True):
    """One field of a Type."""

    name: str
    type: str
    """One of `SCALARS` or a Type's name; of the items when `many`."""
    many: Many = ""
    required: bool = False
    merge_keys: tuple[str, ...] = ()
    """The fields that identify an item of a list."""
    strategy: str = ""
    """x-kubernetes-patch-strategy: "", "merge", "replace", "retainKeys", "merge,retainKeys"."""
    set_list: bool = False
    """x-kubernetes-list-type: set."""
    atomic: bool = False
    """Server-side apply owns it as a whole although it has merge keys or is a map."""
    enum: tuple[str, ...] = ()
    """The values there are; whether others are refused is validation's business, not decoding's."""
    go_type: str = ""
    """Go's type where it is a named one: `v1.Protocol`."""
    default: str = ""
    doc: str = ""

    @property
    def patch_merge_key(self) -> str:
        """The field by which strategic merge patch joins items; empty: the list is replaced."""
        return self.merge_keys[0] if self.merge_keys and "merge" in self.strategy.split(",") else ""

    @property
    def list_map_keys(self) -> tuple[str, ...]:
        """The fields by which server-side apply tells items apart; empty: see `set_list`, else atomic."""
        return () if self.atomic else self.merge_keys


class Type(Struct, frozen=True):
    """An object with named fields."""

    name: str
    package: str
    """As in OpenAPI definitions: `io.k8s.api.core.v1`."""
    fields: Mapping[str, Field]
    atomic: bool = False
    """x-kubernetes-map-type: atomic."""
    doc: str = ""

    @property
    def go_name(self) -> str:
        """The name that Go's error messages show."""
        return self.name.rpartition(".")[2]

    @property
    def definition(self) -> str:
        """The name in OpenAPI documents, e.g. `io.k8s.api.core.v1.Service`."""
        return f"{self.package}.{self.go_name}"


def read(text: str) -> Iterator[Type]:
    """The Types of a text. Raises ValueError with the line that it cannot read."""
    package, head, fields = "", "", list[Field]()
    for line in [*text.splitlines(), "end"]:
        if not line:
            continue
        if line.startswith("    # "):
            fields[-1] = replace(fields[-1], doc=line.removeprefix("    # "))
            continue
        if line.startswith("  "):
            fields.append(_field(line))
            continue
        if head:
            yield _type(head, package, fields)
        head, fields = line, []
        if line.startswith("package "):
            package, head = line.removeprefix("package "), ""


def _type(line: str, package: str, fields: list[Field]) -> Type:
    words, _, doc = line.partition("  # ")
    name, *flags = words.split()
    if not set(flags) <= {"atomic"}:
        raise ValueError(f"cannot read the type line {line!r}")
    return Type(name, package, {f.name: f for f in fields}, bool(flags), doc)


def _field(line: str) -> Field:
    words, _, doc = line.strip().partition("  # ")
    name, written, *flags = words.split()
    many, keys, type_ = _shape(written)
    joined = many == "list" and keys and "set" not in keys and "nopatch" not in flags
    said: dict[str, Any] = {"strategy": "merge"} if joined else {}
    for flag in flags:
        said |= _flag(flag, line)
    return Field(
        name.removesuffix("!"),
        type_,
        many,
        required=name.endswith("!"),
        merge_keys=() if keys == ("set",) else keys,
        set_list=keys == ("set",),
        doc=doc,
        **said,
    )


def _flag(flag: str, line: str) -> dict[str, Any]:
    if flag.startswith("="):
        return {"enum": tuple(flag[1:].split("|"))}
    name, _, value = flag.partition(":")
    if value and name in ("default", "go"):
        return {"go_type" if name == "go" else name: value}
    if set(flag.split(",")) <= {"merge", "replace", "retainKeys"}:
        return {"strategy": flag}
    if flag in ("nopatch", "atomic"):
        return {"atomic": True} if flag == "atomic" else {}
    raise ValueError(f"cannot read the flag {flag!r} in {line!r}")


def _shape(written: str) -> tuple[Many, tuple[str, ...], str]:
    if written.startswith("{}"):
        return "map", (), written[2:]
    if not written.startswith("["):
        return "", (), written
    keys, _, type_ = written[1:].partition("]")
    return "list", tuple(key for key in keys.split(",") if key), type_
