"""Storage of secrets: the digest and the last four characters. The secret itself is shown once."""

from __future__ import annotations

import hashlib
import secrets

SUFFIX = 4


def draw(prefix: str = "") -> str:
    """Return a new secret: 128 random bits as 32 hexadecimal characters, as BigPanda's (docs/wire-contract.md §2.2)."""
    return prefix + secrets.token_hex(16)


def digest(secret: str) -> str:
    """Return the stored form of a secret. 128 random bits need no salt and no key stretching."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def suffix(secret: str) -> str:
    """Return the part of a secret by which people recognise it."""
    return secret[-SUFFIX:]
