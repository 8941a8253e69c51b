"""Doors of layer 7: processes that listen and run a RouteTable by an engine: HAProxy or the built-in router."""
