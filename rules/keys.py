"""Keys and fingerprints from the one secret of the installation, a different one for each purpose."""

from __future__ import annotations

import hashlib
import hmac


def derive(secret: str, purpose: str) -> bytes:
    """32 bytes for one purpose; who learns them learns neither the secret nor the key of another purpose."""
    return hmac.digest(secret.encode(), b"yizhan key: " + purpose.encode(), "sha256")


def keyed_hash(secret: str, purpose: str, text: str) -> str:
    """A fingerprint that nobody can make, or find the text of by trying, who does not hold the secret."""
    return hmac.digest(derive(secret, purpose), text.encode("utf-8", "surrogatepass"), "sha256").hex()


def fingerprint(secret: str) -> str:
    """Of a text of at least 80 random bits, which needs no slow hash and no key."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
