"""Kubernetes API semantics on whole documents (plain dicts), with no I/O.

A **document** is a decoded JSON object, kept whole. `strict` makes a request's body what Go would have decoded:
fields that its Kind's schema does not have are refused or dropped, nulls go, quantities become canonical. A **Kind**
(kinds.py) is data: names, scope, schema, and the hooks of its life: default, allocate, prepare, validate, warn, print.
`catalogue.py` lists every Kind; the API server has one generic handler for all of them. `decode` is where documents
become `model` values. Chance, clock and identity come in as arguments.
"""
