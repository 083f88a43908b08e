"""What is kept of a pruned message's ids: enough to recognise it."""

from __future__ import annotations

from hashlib import blake2b


def digest_of(account_id: str, message_id: str) -> bytes:
    """Return 16 bytes that identify a message without revealing its ids."""
    return blake2b(f"{account_id}\0{message_id}".encode(), digest_size=16).digest()
