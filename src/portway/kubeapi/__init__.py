"""Kubernetes API semantics on whole documents (plain dicts), with no I/O.

A **document** is a decoded JSON object; unknown fields survive. A **Kind** (kinds.py) is data: names, scope,
schema, and the hooks of its life: default, allocate, prepare, validate, warn, print. `catalogue.py` lists every
Kind; the API server has one generic handler for all of them. `decode` is where documents become `model` values.
Chance, clock and identity come in as arguments.
"""
