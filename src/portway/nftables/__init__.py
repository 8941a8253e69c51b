"""ForwardingTable → Ruleset (values); diff → Transaction; render; trace; apply to an in-memory ruleset.

Nothing per Service is a rule: rules and chains are constant, Services and endpoints are elements of maps.
"""
