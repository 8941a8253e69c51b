"""gateway.networking.k8s.io in the API: the kinds' defaults and rules, as their CustomResourceDefinitions have them.

`defaults` and `structure` are tables by Type and field, read by one walk over the schema; `rules` has what the
definitions say in CEL, a function each. A kind's hooks are made of these three in `hooks`.

Source: sigs.k8s.io/gateway-api 1.6, config/crd/standard.
"""
