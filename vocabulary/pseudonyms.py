"""What stands for a name that must not leave the cluster: the same everywhere for the same key."""

import hashlib
import hmac


def pseudonym(name: str, key: bytes) -> str:
    """*name* itself when there is no *key*, else what stands for it: `t-` and 16 hex digits.

    A keyed hash (HMAC-SHA256), because names are few and a plain hash of them is soon guessed.
    """
    if not key:
        return name
    return "t-" + hmac.new(key, name.encode(), hashlib.sha256).hexdigest()[:16]
