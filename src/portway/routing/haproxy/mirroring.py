"""Copies of requests, which HAProxy makes by a few lines of Lua and its own HTTP client.

A copy goes to a socket of our own, whose frontend knows no more than which section it is for. So a mirror's endpoints
are servers like any others.
"""

from collections.abc import Iterator

from portway.routing.haproxy.place import Place
from portway.routing.table import Mirror

FILE, SOCKET = "mirror.lua", "mirror.sock"
_HEADER = "x-portway-mirror"
_MILLISECONDS = 10_000


def mirror_line(section: str, mirror: Mirror) -> str:
    """The rule that makes a copy for a section; the last of its section's, so that the copy is what is sent."""
    some = f" if {{ rand({mirror.denominator}) lt {mirror.numerator} }}"
    return f"http-request lua.mirror {section}{some if mirror.numerator < mirror.denominator else ''}"


def mirror_frontend(place: Place) -> Iterator[str]:
    """Where copies come in."""
    yield "frontend mirror"
    yield "  no log"
    yield "  option httpclose"
    yield f"  bind {place.bind(SOCKET)}"
    yield f"  http-request set-var(txn.be) req.hdr({_HEADER})"
    yield f"  http-request del-header {_HEADER}"
    yield "  use_backend %[var(txn.be)]"


def script(place: Place) -> str:
    """Bodies are copied as far as they are in the buffer (16 kB): a request with a larger one is not copied."""
    return f'''
local methods = {{ GET = "get", HEAD = "head", PUT = "put", POST = "post", DELETE = "delete" }}

core.register_action("mirror", {{ "http-req" }}, function(txn, section)
  local method = methods[txn.sf:method()]
  local body = txn.sf:req_body() or ""
  local length = tonumber(txn.sf:req_hdr("content-length") or "0") or 0
  if not method or length > #body or txn.sf:req_hdr("transfer-encoding") ~= "" then return end
  local headers = txn.http:req_get_headers()
  local url = "http://mirror" .. txn.sf:pathq()
  headers["content-length"], headers["connection"], headers["upgrade"] = nil, nil, nil
  headers["{_HEADER}"] = {{ [0] = section }}
  core.register_task(function()
    local client = core.httpclient()
    local request = {{ url = url, headers = headers, dst = "unix@{place.seen(SOCKET)}", timeout = {_MILLISECONDS} }}
    if #body > 0 then request.body = body end
    client[method](client, request)
  end)
end, 1)
'''.lstrip()
