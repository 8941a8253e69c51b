"""A real API server in a child process, for tests: started, killed and restarted on the same sockets and data."""

import contextlib
import http.client
import logging
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from portway.apiserver import ServerConfig, run

_PATIENCE = 60.0


class Server:
    """A running server. `stop` it at the end, or use it as a context."""

    def __init__(self, config: ServerConfig, folder: Path) -> None:
        from portway.apiserver import pki

        self.config, self.folder = config, folder
        pki.create(config.pki)
        self._https = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.unix = folder / "api.sock"
        """The path of its Unix socket."""
        self._unix = socket.socket(socket.AF_UNIX)
        self.unix.unlink(missing_ok=True)
        self._unix.bind(str(self.unix))
        self._unix.listen(128)
        self.url = f"https://127.0.0.1:{self._https.getsockname()[1]}"
        self.kubeconfig = folder / "kubeconfig"
        """The path of the administrator's kubeconfig."""
        self.kubeconfig.write_text(pki.kubeconfig(config.pki, self.url))
        self.pid = 0
        self.log = folder / "apiserver.log"
        """What the process prints."""

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._https.close()
        self._unix.close()

    def start(self) -> None:
        """Fork; returns once the server answers."""
        self.pid = os.fork() or self._child()
        self.wait_ready()

    def become(self) -> None:
        """Be the server in this process, which ends with it: for one that was started in another namespace."""
        self._child()

    def _child(self) -> int:
        status = 70
        try:
            output = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(output, 1)
            os.dup2(output, 2)
            logging.basicConfig(stream=os.fdopen(os.dup(2), "w"), force=True)
            status = run(self.config, self._https, self._unix)
        except BaseException:
            logging.exception("the API server failed")
        finally:
            os._exit(status)

    def wait_ready(self) -> None:
        """Until /readyz answers. Raises RuntimeError with what it printed when it ends instead, TimeoutError."""
        until(self._answers, f"the API server does not answer: {self.log}")

    def _answers(self) -> bool:
        if os.waitpid(self.pid, os.WNOHANG)[0]:
            self.pid = 0
            raise RuntimeError(f"the API server ended: {self.log.read_text()}")
        connection = _UnixConnection(self.unix)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal and wait for its end; its exit status, negative when it died of a signal."""
        if not self.pid:
            return 0
        os.kill(self.pid, number)
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def kill(self) -> None:
        """kill -9."""
        self.stop(signal.SIGKILL)

    def restart(self) -> None:
        """Start again on the same sockets and data, after `stop` or `kill`."""
        self.stop()
        self.start()


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket, without an event loop."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def config_in(folder: Path, **settings: object) -> ServerConfig:
    """With all its paths in `folder`; `settings` are ServerConfig's other fields."""
    places = {
        "data": folder / "data.db",
        "pki": folder / "pki",
        "pod_logs": folder / "pods",
        "kubelets": folder / "kubelets",
    }
    return ServerConfig(**(places | settings))  # type: ignore[arg-type]


def start(folder: Path, **settings: object) -> Server:
    """A running server with its data in `folder`; `settings` are ServerConfig's other fields."""
    server = Server(config_in(folder, **settings), folder)
    server.start()
    return server


def until(holds: Callable[[], bool], otherwise: str) -> None:
    """Wait for a condition. Raises TimeoutError."""
    deadline = time.monotonic() + _PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(otherwise)
        time.sleep(0.01)
