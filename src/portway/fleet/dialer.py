"""Hands out unconnected sockets of the network namespace it runs in, over a Unix socket (SCM_RIGHTS).

A socket belongs to the namespace it was made in, whoever holds it: the relay, in the host's network, connects
these and so speaks from `outside`. One request is one packet: a kind, answered by BATCH sockets of it, or by no
sockets and the reason. The request `lead to ADDRESS…` makes routes to addresses on the wire, and hands out none;
`listen ADDRESS PORT` hands out one that listens, the same each time.
"""

import logging
import os
import resource
import selectors
import socket
import subprocess
from pathlib import Path

log = logging.getLogger("portway.fleet.dialer")

BATCH = 8
DONE = b"done"
LEAD_TO = b"lead to "
_LISTEN = b"listen "
_LONGEST = 1 << 15
"""Bytes of a request."""
_BACKLOG = 1024
_MOST_SAID = 400
_PATIENCE_SECONDS = 1.0
KINDS = {
    b"tcp4": (socket.AF_INET, socket.SOCK_STREAM),
    b"tcp6": (socket.AF_INET6, socket.SOCK_STREAM),
    b"udp4": (socket.AF_INET, socket.SOCK_DGRAM),
    b"udp6": (socket.AF_INET6, socket.SOCK_DGRAM),
}


def run(path: Path) -> int:
    """Serve at `path` until killed."""
    raise_file_limit()
    listening, doors = listen(path), Doors()
    with selectors.DefaultSelector() as selector:
        selector.register(listening, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                ready = key.fileobj
                assert isinstance(ready, socket.socket)
                if ready is listening:
                    selector.register(ready.accept()[0], selectors.EVENT_READ)
                elif not answer(ready, doors):
                    selector.unregister(ready)
                    ready.close()


def listen(path: Path) -> socket.socket:
    """A listening socket at `path`, in the place of one that a dialer killed before left there."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listening.bind(str(draft))
    listening.listen(64)
    os.replace(draft, path)  # noqa: PTH105 - one rename: there is no moment without a dialer's socket
    return listening


class Doors(dict[bytes, socket.socket]):
    """What listens at ADDRESS PORT. It stays open here, so that who serves it can be started anew."""

    def __missing__(self, place: bytes) -> socket.socket:
        address, port = place.decode().split()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        # An earlier dialer's socket may be in use still.
        self[place] = socket.create_server((address, int(port)), family=family, backlog=_BACKLOG, reuse_port=True)
        return self[place]


def answer(client: socket.socket, doors: Doors) -> bool:
    """Answer one request; False when the client is gone."""
    try:
        kind = client.recv(_LONGEST)
        if not kind:
            return False
        if kind.startswith(LEAD_TO):
            client.send(lead_to(kind.removeprefix(LEAD_TO).decode()))
        elif kind.startswith(_LISTEN):
            _hand_over(client, doors, kind.removeprefix(_LISTEN))
        else:
            _hand_out(client, kind)
    except OSError as error:
        log.warning("a client went away: %s", error)
        return False
    return True


def lead_to(addresses: str) -> bytes:
    """`outside` finds them by ARP or NDP on its wire from now on; what was to be said."""
    lines = "".join(f"route replace {address} dev eth0\n" for address in addresses.split())
    made = subprocess.run(["ip", "-force", "-batch", "-"], input=lines.encode(), capture_output=True, check=False)
    return made.stderr.strip()[:_MOST_SAID] or DONE


def _hand_over(client: socket.socket, doors: Doors, place: bytes) -> None:
    try:
        door = doors[place]
    except (OSError, ValueError) as error:
        client.send(str(error).encode())
    else:
        socket.send_fds(client, [b"ok"], [door.fileno()])


def listening(path: Path, address: str, port: int) -> socket.socket:
    """A socket that listens in the namespace of the dialer at `path`. OSError when there is no dialer, or no socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
        asking.settimeout(_PATIENCE_SECONDS)
        asking.connect(str(path))
        asking.send(_LISTEN + f"{address} {port}".encode())
        text, fds, _, _ = socket.recv_fds(asking, 512, 1)
    if not fds:
        raise OSError(text.decode(errors="replace") or "the dialer is gone")
    return socket.socket(fileno=fds[0])


def _hand_out(client: socket.socket, kind: bytes) -> None:
    if kind not in KINDS:
        client.send(b"no such kind: " + kind)
        return
    made: list[socket.socket] = []
    try:
        made.extend(socket.socket(*KINDS[kind]) for _ in range(BATCH))
    except OSError as error:
        client.send(str(error).encode())
    else:
        socket.send_fds(client, [b"ok"], [each.fileno() for each in made])
    finally:
        for each in made:
            each.close()


def raise_file_limit() -> None:
    """As many descriptors as the system lets us have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
