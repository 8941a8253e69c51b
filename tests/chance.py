"""Counts of random things, held against the probability that they are said to have."""

import math


def is_unlikely(count: int, of: int, share: float, wrongly: float = 1e-8) -> bool:
    """Whether so many of `of` are further from their share than chance takes them but once in 1 / `wrongly`.

    Chernoff: a part q or more (or less) is seen with at most exp(-n D(q, p)), D being the relative entropy.
    """
    seen = count / of
    parts = ((seen, share), (1 - seen, 1 - share))
    if any(q > 0 and p <= 0 for q, p in parts):
        return True
    return 2 * math.exp(-of * sum(q * math.log(q / p) for q, p in parts if q)) < wrongly
