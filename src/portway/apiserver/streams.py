"""Commands in pods: a client's WebSocket is joined to one of the kubelet's. `kubectl exec`."""

import asyncio

import aiohttp
from aiohttp import WSMsgType, web

from portway.apiserver.call import Call
from portway.apiserver.registry import Registry
from portway.kubeapi.errors import ApiError, Doc, bad_request
from portway.kubeapi.remotecommand import PROTOCOLS

_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"
_FLAGS = ("stdin", "stdout", "stderr", "tty")

Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def execute(registry: Registry, call: Call) -> web.StreamResponse:
    """A command in one of a pod's containers. Raises 400, 404, 500."""
    pod = registry.decode(registry.get(call.target), call.target.kind)
    container = container_of(pod, call.query.get("container", ""))
    node = _node_of(pod)
    offered = _offered(call.request)
    query = [("command", word) for word in call.request.query.getall("command", [])]
    query += [(name, "1") for name in _FLAGS if call.flag(name)]
    path = f"http://kubelet/exec/{pod['metadata']['uid']}/{container}"
    connector = aiohttp.UnixConnector(str(registry.kubelets / f"{node}.sock"))
    async with aiohttp.ClientSession(connector=connector) as session:
        try:
            kubelet = await session.ws_connect(path, params=query, protocols=offered, max_msg_size=0)
        except (aiohttp.ClientError, OSError) as error:
            raise ApiError(500, "InternalError", f"error dialing kubelet of {node}: {error}") from None
        async with kubelet:
            return await _join(call.request, kubelet)


def container_of(pod: Doc, wanted: str) -> str:
    """The container asked for, the annotated one or the first. Raises 400 in the API server's words."""
    metadata, spec = pod["metadata"], pod.get("spec") or {}
    phase = (pod.get("status") or {}).get("phase")
    if phase in ("Succeeded", "Failed"):
        raise bad_request(f"cannot exec into a container in a completed pod; current phase is {phase}")
    names = [c["name"] for field in ("containers", "initContainers") for c in spec.get(field) or ()]
    chosen = wanted or (metadata.get("annotations") or {}).get(_DEFAULT_CONTAINER) or names[0]
    if chosen not in names:
        raise bad_request(f"container {chosen} is not valid for pod {metadata['name']}")
    return str(chosen)


def _node_of(pod: Doc) -> str:
    node = (pod.get("spec") or {}).get("nodeName")
    if not node:
        raise bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")
    return str(node)


def _offered(request: web.BaseRequest) -> tuple[str, ...]:
    """The subprotocols that the client speaks and we too. Raises 400."""
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise bad_request(
            "Upgrade request required: a WebSocket (kubectl 1.31 and later; SPDY, of older ones, is not served)"
        )
    asked = [word.strip() for word in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
    offered = tuple(protocol for protocol in PROTOCOLS if protocol in asked)
    if not offered:
        raise bad_request(f"unable to upgrade: the subprotocols served are {', '.join(PROTOCOLS)}")
    return offered


async def _join(request: web.BaseRequest, kubelet: aiohttp.ClientWebSocketResponse) -> web.StreamResponse:
    client = web.WebSocketResponse(protocols=(kubelet.protocol or PROTOCOLS[0],), max_msg_size=0)
    await client.prepare(request)
    ways = [asyncio.create_task(_carry(kubelet, client)), asyncio.create_task(_carry(client, kubelet))]
    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    for way in ways:
        way.cancel()
    await client.close()
    return client


async def _carry(source: Socket, target: Socket) -> None:
    """Messages from one to the other, until one of them ends."""
    try:
        async for message in source:
            if message.type is WSMsgType.BINARY:
                await target.send_bytes(message.data)
            elif message.type is WSMsgType.TEXT:
                await target.send_str(message.data)
    except ConnectionError:
        return
