"""Independent random streams from one seed, addressed by name instead of by order of use."""

from __future__ import annotations

import hashlib


def derive_seed(seed: int, *stream: str | int) -> int:
    """A 63-bit seed for the stream named by ``stream``, e.g. ``derive_seed(seed, "augmentation", epoch)``.

    Because a stream depends on its name alone, work can stop and resume anywhere, or run in
    another order, and still draw the same numbers.
    """
    name = "/".join([str(seed), *(str(part) for part in stream)])
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1
