"""One request, as its handlers see it."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace

from portway.apiserver import body, parameters
from portway.apiserver.accept import Form
from portway.apiserver.identity import User
from portway.apiserver.registry import Options
from portway.apiserver.target import Target
from portway.kubeapi.errors import bad_request
from portway.kubeapi.pipeline import APPLY

_DIGITS = 19
"""Of the largest number there may be; more could not be 64 bits long."""
_TRUE = ("", "1", "t", "T", "true", "True", "TRUE")


class Call(Struct, frozen=True):
    """Who asks what, about which document, and in which form they want it."""

    request: web.BaseRequest
    target: Target
    user: User
    form: Form

    @property
    def query(self) -> Mapping[str, str]:
        """The first value of each query parameter."""
        return self.request.query

    def flag(self, name: str) -> bool:
        """Whether a boolean query parameter is on; given without a value it is."""
        return name in self.query and self.query[name] in _TRUE

    def number(self, name: str) -> int | None:
        """A query parameter that counts something; None when absent. Raises 400."""
        text = self.query.get(name, "")
        if not text:
            return None
        if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) <= _DIGITS):
            raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax ({name})')
        return int(text)

    def revision(self) -> int:
        """resourceVersion; 0 when absent. Raises 400."""
        text = self.query.get("resourceVersion") or "0"
        if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
            raise bad_request(f'Invalid value: "{text}": resourceVersion must be a number')
        return int(text)

    async def body(self) -> body.Body:
        """What was sent. Raises 413."""
        return await body.read(self.request)

    async def document(self) -> tuple[Any, Options]:
        """The decoded body and how to write it. Raises 400, 413, 415."""
        sent = await self.body()
        document = sent.decode()
        if document is None:
            raise bad_request(f"the object provided is unrecognized (must be of type {self.target.kind.kind}): no body")
        return document, replace(self.options(), duplicates=sent.duplicates())

    def options(self) -> Options:
        """dryRun, fieldValidation and fieldManager. Raises 422."""
        apply = self.request.content_type == APPLY
        parameters.check_write(self.request.method, self.query, apply=apply)
        return Options(
            dry_run=self.query.get("dryRun") == "All",
            field_validation=self.query.get("fieldValidation") or "Warn",  # type: ignore[arg-type]
            manager=self.query.get("fieldManager") or self.request.headers.get("User-Agent", "").partition("/")[0],
            subresource=self.target.subresource,
        )
