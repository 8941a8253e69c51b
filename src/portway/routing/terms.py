"""Terms: whose certificates clients have shown, and whether that is still enough when somebody else is trusted."""

import re
from functools import lru_cache

from portway.routing.table import ClientValidation

_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


@lru_cache(maxsize=256)
def certificates(pem: str) -> tuple[str, ...]:
    """Each by itself."""
    return tuple(dict.fromkeys(_CERTIFICATE.findall(pem)))


def still_hold(shown: ClientValidation | None, wanted: ClientValidation | None) -> bool:
    """Whether who came in on the terms `shown` may stay where `wanted` is asked for: none of its authorities has gone.

    Which of them a client's certificate is from, engines do not know afterwards.
    """
    if wanted is None or not wanted.is_required or shown == wanted:
        return True
    if shown is None or not shown.is_required:
        return False
    return set(certificates(shown.authorities)) <= set(certificates(wanted.authorities))
