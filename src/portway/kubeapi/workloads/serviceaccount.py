"""ServiceAccount: stored whole; its name is what matters."""

from portway.kubeapi import names

name_rule = names.is_dns1123_subdomain
