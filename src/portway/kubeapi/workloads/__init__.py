"""The hooks of the kinds around pods: one module a kind, its functions named as Kind's fields are.

What pods and pod templates share stands beside them: `pod_defaults`, `pod_spec` (validation of a PodSpec),
`containers`, `probes`, `environment`, `volumes` (its parts), `template` (pod templates and their selectors).
Hooks may rely on the schema: fields have the right JSON types, but any of them may be missing.
"""
