"""Kubernetes' protobuf bodies, as Go clients send them: decoded into the documents that JSON would have given.

kubectl and every generated Go client write built-in types so, and do not fall back when a server only takes JSON.
"""

from portway.kubeapi.protobuf.decode import MEDIA_TYPE, decode

__all__ = ["MEDIA_TYPE", "decode"]
