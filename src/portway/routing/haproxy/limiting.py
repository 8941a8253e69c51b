"""Bodies of unknown length and their limit, which HAProxy 2.6 has no word for: it passes on without counting.

A few lines of Lua count what comes for routes that have a limit, and cut the request off when it is too much: the pod
never sees more, but the client is told by a closed connection only. Small limits, whose bodies fit into HAProxy's
buffer with their heads, are decided before anything is passed on, and answered as announced lengths are.
"""

from collections.abc import Iterator

FILE = "limit.lua"
FILTER = "filter lua.limit"
"""Of a frontend: in a section, what it cuts off would only end by a timeout."""
_BUFFERED = 4096
"""Bytes of a body that are waited for: HAProxy's buffer (16 kB) has the head, too."""
_SECONDS = 60
"""That a small body may take; as long as others may pause."""
_UNKNOWN = "!{ req.hdr(content-length) -m found }"


def limit_lines(max_body: int) -> Iterator[str]:
    """What a section tells the filter."""
    yield f"http-request set-var(txn.limit) int({max_body})"
    if max_body <= _BUFFERED:
        yield f"http-request wait-for-body time {_SECONDS}s at-least {max_body + 1} if {_UNKNOWN}"


def too_large(max_body: int) -> list[str]:
    """Conditions, one of which is enough."""
    announced = f"{{ req.hdr(content-length) -m int gt {max_body} }}"
    return [announced, f"{_UNKNOWN} {{ req.body_size gt {max_body} }}"] if max_body <= _BUFFERED else [announced]


def script() -> str:
    """The filter. It takes what is too much out of the message first: with it, HAProxy may wait for a timeout."""
    return """
local Limit = { id = "limit", flags = filter.FLT_CFG_FL_HTX }
Limit.__index = Limit

function Limit:new()
  return setmetatable({ count = 0 }, Limit)
end

function Limit:http_headers(txn, message)
  self.most = not message:is_resp() and txn:get_var("txn.limit")
  if self.most then filter.register_data_filter(self, message.channel) end
  return filter.CONTINUE
end

function Limit:http_payload(txn, message)
  if message:is_resp() then return end
  self.count = self.count + #(message:body() or "")
  if self.count <= self.most then return message:input() end
  message:remove()
  txn:done()
  return 0
end

core.register_filter("limit", Limit, function(class, args) return class end)
""".lstrip()
