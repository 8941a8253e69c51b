"""List and watch any Kubernetes API server (embedded or real) and keep what was seen current.

Words: **Access** says where a server is and who we are there; an **Api** sends requests with it; a **Reflector**
keeps the objects of one resource as they are now.

Rules of the room: documents in and out (dicts, as the API has them); what the server refuses is an `ApiError` with
its own words, what keeps us from asking is `Unreachable` with one line; a request is repeated only when it cannot
have been carried out or does no harm twice. aiohttp is imported with the first request, not with the room.
"""

from portway.client.access import Access
from portway.client.api import Api, WatchEvent
from portway.client.failure import BadKubeconfig, Unreachable
from portway.client.reflector import Key, Reflector

__all__ = ["Access", "Api", "BadKubeconfig", "Key", "Reflector", "Unreachable", "WatchEvent"]
