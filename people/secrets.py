"""How secrets are kept: what is stored of one is its digest and its last four characters; the secret itself is shown once."""

from __future__ import annotations

import hashlib
import secrets

SUFFIX = 4


def draw(prefix: str = "") -> str:
    """A new secret: 128 random bits as 32 hexadecimal characters, as BigPanda's own (docs/wire-contract.md §2.2)."""
    return prefix + secrets.token_hex(16)


def digest(secret: str) -> str:
    """What is stored of a secret. 128 random bits need no salt and no stretching."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def suffix(secret: str) -> str:
    """What people tell it from others by."""
    return secret[-SUFFIX:]
