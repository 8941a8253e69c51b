"""The Kubernetes API of a fleet: HTTPS and a Unix socket around kubeapi and the store.

Four words. A **Target** is what a path means; a **Call** is one request at it, by a known user, in a form; the
**Registry** is the store with Kubernetes' rules in front of it; a handler (reads, writes, watch, subresources, about)
turns a Call into an answer. Everything runs in one event loop, so what a handler does between two awaits is atomic.
"""

from portway.apiserver.config import ServerConfig
from portway.apiserver.server import run

__all__ = ["ServerConfig", "run"]
