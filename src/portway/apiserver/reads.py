"""GET of one document and of a collection."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec
from aiohttp import web
from msgspec import Struct

from portway.apiserver import answer, shapes
from portway.apiserver.call import Call
from portway.apiserver.registry import Registry, collection
from portway.apiserver.selection import Selection, selection
from portway.kubeapi.errors import ApiError, Doc, bad_request
from portway.store import Entry, Expired, Key


class Token(Struct, frozen=True):
    """A `continue` parameter: where the page before it ended, and the revision of the whole list."""

    rv: int
    namespace: str
    name: str


class Page(Struct, frozen=True):
    """Some documents of a list."""

    entries: list[Entry]
    revision: int
    rest: Token | None = None
    remaining: int | None = None
    """How many follow; None: not counted."""

    @property
    def metadata(self) -> Doc:
        """The list's."""
        found: Doc = {"resourceVersion": str(self.revision)}
        if self.rest is not None:
            found["continue"] = urlsafe_b64encode(msgspec.json.encode(self.rest)).decode()
        if self.remaining is not None:
            found["remainingItemCount"] = self.remaining
        return found


def get(registry: Registry, call: Call) -> web.Response:
    """One document. Raises 404."""
    _revision(registry, call)
    value = shapes.stored(registry.get(call.target))
    return answer.raw(
        shapes.reshaped(call.target.kind, value, call.form, call.query.get("includeObject", "")), call.form
    )


def list_(registry: Registry, call: Call) -> web.Response:
    """A collection. Raises 400, 410."""
    page = _page(registry, call, selection(call))
    values = [shapes.stored(entry) for entry in page.entries]
    include = call.query.get("includeObject", "")
    return answer.raw(shapes.reshaped_list(call.target.kind, values, page.metadata, call.form, include), call.form)


def _page(registry: Registry, call: Call, selected: Selection) -> Page:
    token = _token(call.query.get("continue", ""))
    exact = _revision(registry, call)
    revision = token.rv if token else exact or registry.store.revision
    name = collection(call.target.kind)
    after = Key(name, token.namespace, token.name) if token else None
    try:
        entries = registry.store.list(name, call.target.namespace, revision=revision, after=after)
    except Expired as error:
        raise _expired(error, token) from None
    entries = selected.of(entries)
    limit = call.number("limit") or 0
    if not 0 < limit < len(entries):
        return Page(entries, revision)
    last = entries[limit - 1].key
    remaining = len(entries) - limit if selected.everything else None
    return Page(entries[:limit], revision, Token(revision, last.namespace, last.name), remaining)


def _revision(registry: Registry, call: Call) -> int:
    """The revision that exactly is asked for, 0 when a newer one will do. Raises 400, 504."""
    wanted = call.revision()
    if wanted > registry.store.revision:
        raise too_large(wanted, registry.store.revision)
    return wanted if call.query.get("resourceVersionMatch") == "Exact" else 0


def too_large(wanted: int, current: int) -> ApiError:
    """504: the revision has not happened yet."""
    message = f"Timeout: Too large resource version: {wanted}, current: {current}"
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    return ApiError(504, "Timeout", message, {"causes": causes, "retryAfterSeconds": 1})


def _token(text: str) -> Token | None:
    if not text:
        return None
    try:
        return msgspec.json.decode(urlsafe_b64decode(text), type=Token)
    except (ValueError, msgspec.DecodeError) as error:
        raise bad_request(f"continue key is not valid: {error}") from None


def _expired(error: Expired, token: Token | None) -> ApiError:
    if token is None:
        return expired(error)
    message = (
        "The provided continue parameter is too old to display a consistent list result. "
        "You must start a new list without the continue parameter."
    )
    return ApiError(410, "Expired", message)


def expired(error: Expired) -> ApiError:
    """410: list again."""
    return ApiError(410, "Expired", f"too old resource version: {error.revision} ({error.oldest})")
