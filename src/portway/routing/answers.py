"""The plain words of a door's own answers, the same from every engine."""

from portway.routing.table import Route

NO_HOST = "no route for this host"
MISDIRECTED = "this connection is not for this request: it wants one of its own"
NO_ROUTE = "no route for this path, method or headers"
ORIGIN_REFUSED = "CORS: this origin is none of the route's allowOrigins"


def answer_text(code: str, route: Route | None = None, pool: str = "", reason: str = "") -> str:
    """One line for a Decision's code; `pool` and `reason` are those of the backend that the request was to go to."""
    where = f" ({route.name})" if route is not None else ""
    match code:
        case "NO_HOST":
            return NO_HOST
        case "MISDIRECTED":
            return MISDIRECTED
        case "NO_ROUTE":
            return NO_ROUTE
        case "ORIGIN_REFUSED":
            return ORIGIN_REFUSED
        case "REDIRECTED" | "PREFLIGHT":
            return ""
        case "NO_ENDPOINTS":
            return f"no endpoint of {pool} is ready{where}"
        case "BODY_TOO_LARGE":
            return f"the request's body has more than {route.max_body if route else 0} bytes{where}"
        case "BACKEND_INVALID":
            return f"the backend cannot be used: {reason or 'there is none'}{where}"
        case _:
            return f"{code}{where}"
