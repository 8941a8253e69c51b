"""HAProxy as an engine: master and worker, told of changes by the runtime API, reloaded only for structure.

The configuration is `routing.haproxy`'s; here it is written (0600, in a private folder), checked (`haproxy -c`) and
run. A worker that dies takes its master with it, and both are started again with the table of the moment.
"""

from portway.gateway.haproxy.driver import HaproxyEngine

__all__ = ["HaproxyEngine"]
