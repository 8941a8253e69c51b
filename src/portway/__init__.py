"""Portway: Kubernetes Services with real packets, on one machine or on a node of a real cluster."""

__version__ = "0.1.0"
