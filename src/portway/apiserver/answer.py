"""Answers on the wire: JSON or YAML, errors as Status, warnings as headers."""

from collections.abc import Iterable

import msgspec
from aiohttp import web

from portway.apiserver.accept import Form
from portway.kubeapi.errors import ApiError, Doc

_HEADERS = {"Cache-Control": "no-cache, private"}


def raw(value: bytes, form: Form, code: int = 200, warnings: Iterable[str] = ()) -> web.Response:
    """JSON bytes, written as the form says."""
    response = web.Response(body=value + b"\n", status=code, headers=_HEADERS, content_type="application/json")
    if form.yaml:
        response.body = _yaml(value)
        response.content_type = "application/yaml"
    for text in warnings:
        warn(response, text)
    return response


def warn(response: web.StreamResponse, text: str) -> None:
    """Have the client tell its person this (RFC 7234 5.5)."""
    response.headers.add("Warning", f'299 - "{_quotable(text)}"')


def document(doc: Doc, form: Form, code: int = 200, warnings: Iterable[str] = ()) -> web.Response:
    """A document, written as the form says."""
    return raw(msgspec.json.encode(doc), form, code, warnings)


def plain(text: str, code: int = 200) -> web.Response:
    """Text for people."""
    return web.Response(text=text, status=code, headers=_HEADERS)


def failure(error: ApiError, form: Form) -> web.Response:
    """The error's Status."""
    response = document(error.status, form, error.code)
    seconds = (error.details or {}).get("retryAfterSeconds")
    if seconds:
        response.headers["Retry-After"] = str(seconds)
    return response


def success(details: Doc, code: int = 200) -> Doc:
    """A Status that says it is done."""
    kept = {key: value for key, value in details.items() if value}
    status: Doc = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return status | ({"details": kept} if kept else {}) | ({"code": code} if code != 200 else {})


def _yaml(value: bytes) -> bytes:
    import yaml

    text: str = yaml.dump(
        msgspec.json.decode(value),
        Dumper=getattr(yaml, "CSafeDumper", yaml.SafeDumper),
        sort_keys=False,
        allow_unicode=True,
    )
    return text.encode()


def _quotable(text: str) -> str:
    printable = "".join(char if char.isprintable() else " " for char in text)
    return printable.replace("\\", "\\\\").replace('"', '\\"')
