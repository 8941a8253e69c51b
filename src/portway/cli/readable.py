"""Leaves out what no API server could read, so that whoever follows packets meets documents of the right shape."""

import msgspec

from portway.analysis.bundle import Bundle, Item
from portway.cli.sources import Inputs
from portway.cli.texts import Problem
from portway.kubeapi import catalogue, strict

_FOUND = {"object": "an object", "array": "a list", "string": "text", "number": "a number", "bool": "true or false"}
_WANTED = {"[]": "a list", "map[": "an object", "string": "text in quotes", "bool": "true or false", "int": "a number"}
"""What begins a type's name in Go, and what to write."""
_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder().decode


def readable(inputs: Inputs) -> Inputs:
    """Without the documents that have a field of a wrong type, each of which is a Problem now. Nulls are what an API
    server makes of them. What comes from one has been through all that.
    """
    if inputs.served:
        return inputs
    wrong = {item: said for item in inputs.bundle.items if (said := _read(item))}
    if not wrong:
        return inputs
    items = [item for item in inputs.bundle.items if item not in wrong]
    problems = [Problem(f"{_place(item, said)}: left out") for item, said in wrong.items()]
    bundle = Bundle(items, complete=inputs.bundle.complete, partial=True, taken=inputs.bundle.taken)
    return Inputs(bundle, (*inputs.problems, *problems), inputs.left_out)


def _read(item: Item) -> str:
    """What the API server would complain of; it changes what it reads, so it gets a copy."""
    kind = catalogue.by_kind(str(item.value.get("apiVersion")), item.kind)
    if kind is None:
        return ""
    try:
        text = _encode(item.value)
        document = _decode(text)
        mismatch = strict.check(kind, document, keep_unknown=True).mismatch
    except (TypeError, ValueError) as error:
        return f"no JSON: {error}"
    if b"null" in text:
        item.value = document
    return mismatch


def _place(item: Item, said: str) -> str:
    """What is wrong, and where. Numbers that do not fit are shown: `number 80.5`."""
    found = strict.MISMATCH.search(said)
    if found is None:
        return f"{item.where().text}: {item.named}: {said}"
    field = found["field"] or ""
    value, _, number = found["found"].partition(" ")
    wanted = next((text for start, text in _WANTED.items() if found["type"].startswith(start)), "an object")
    is_not = f"{number} is no {found['type']}" if number else f"this is {_FOUND.get(value, value)}, not {wanted}"
    return f"{item.where(field).text}: {item.named}: {field}{': ' if field else ''}{is_not}"
