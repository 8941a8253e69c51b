"""Request bodies: read within a limit, then decoded from JSON, YAML or protobuf."""

from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct

from portway.kubeapi import protobuf
from portway.kubeapi.errors import ApiError, bad_request
from portway.kubeapi.strict import duplicate_fields

LIMIT = 3 << 20
"""Bytes; the API server's own limit for resource requests."""
DEEPEST = 100
"""Levels of lists and objects; Kubernetes' own types have some 20."""
_JSON = ("application/json", "")
_YAML = ("application/yaml", "application/apply-patch+yaml")


class Body(Struct, frozen=True):
    """What was sent."""

    data: bytes
    media_type: str

    def decode(self) -> Any:
        """The value; None for an empty body. Raises 400, 415."""
        if not self.data.strip():
            return None
        if self.media_type in _YAML:
            return _shallow(_yaml(self.data))
        if self.media_type == protobuf.MEDIA_TYPE:
            return _shallow(protobuf.decode(self.data))
        if self.media_type in _JSON or self.media_type.endswith("+json"):
            return _shallow(_json(self.data))
        raise unsupported(self.media_type, ("application/json", "application/yaml", protobuf.MEDIA_TYPE))

    def duplicates(self) -> tuple[str, ...]:
        """Fields that the text gives twice."""
        return duplicate_fields(self.data) if self.media_type in _JSON else ()


def unsupported(media_type: str, accepted: tuple[str, ...]) -> ApiError:
    """415."""
    message = (
        f"the body of the request was in an unknown format ({media_type}) - "
        f"accepted media types include: {', '.join(accepted)}"
    )
    return ApiError(415, "UnsupportedMediaType", message)


def _shallow(value: Any) -> Any:
    """The value, if nothing in it is deeper than DEEPEST: what handles documents is recursive. Raises 400."""
    level = [value]
    for _ in range(DEEPEST):
        inner = [part.values() if isinstance(part, dict) else part for part in level if isinstance(part, dict | list)]
        level = [item for items in inner for item in items]
        if not level:
            return value
    raise bad_request(f"the object provided is nested too deeply: more than {DEEPEST} levels")


def _json(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise bad_request(f"the object provided is not valid JSON: {error}") from None


def _yaml(data: bytes) -> Any:
    from portway.kubeapi import yaml  # PyYAML takes a while to load, and few clients send YAML

    try:
        return yaml.load(data, "body")
    except yaml.YamlError as error:
        raise bad_request(f"the object provided is not valid YAML: {error}") from None


async def read(request: web.BaseRequest) -> Body:
    """The request's body. Raises 413."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    chunks, size = [], 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > LIMIT:
            message = f"Request entity is too large: limit is {LIMIT}"
            raise ApiError(413, "RequestEntityTooLarge", message)
        chunks.append(chunk)
    return Body(b"".join(chunks), request.content_type if "Content-Type" in request.headers else "")
