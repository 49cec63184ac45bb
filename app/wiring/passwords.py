"""Passwords, hashed by argon2 in a thread: each takes a quarter of a second of processor time on purpose."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from campaigns.errors import InvalidInput

SHORTEST: Final = 10
LONGEST: Final = 200
_HASHER: Final = PasswordHasher()
_THREAD: Final = ThreadPoolExecutor(1, "passwords")
"""One at a time: each takes 64 MB, and a processor that sending needs too."""


async def hash_password(password: str, name: str) -> str:
    """Raises InvalidInput for one that is too short, too long, or the name itself."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidInput(f"A password has {SHORTEST} to {LONGEST} characters.")
    if password.casefold() == name.casefold():
        raise InvalidInput("The password is the name.", hint="Choose another one.")
    return await asyncio.get_running_loop().run_in_executor(_THREAD, _HASHER.hash, password)


async def is_right(stored: str | None, password: str) -> bool:
    """Whether it is the password. Without a stored hash it takes as long, and is not."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, _verify, stored, password[:LONGEST])


def _verify(stored: str | None, password: str) -> bool:
    try:
        return _HASHER.verify(stored or _nobodys(), password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    return _HASHER.hash("nobody has this password")
