"""How a command's channels are spoken of over a WebSocket.

Source: k8s.io/apimachinery pkg/util/remotecommand; KEP-4006 (v5 adds the message that closes a channel).
"""

PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io", "channel.k8s.io")
"""The subprotocols that API server and kubelets speak, the best first."""

UNREACHABLE = "X-Portway-Unreachable"
"""A kubelet's answer to a proxied request has this header where the pod gave none."""
