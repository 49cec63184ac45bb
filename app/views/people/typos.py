"""Numbers that a mistyped one may have been meant to be."""

from __future__ import annotations


def typos_of(phone: str) -> set[str]:
    """What the number would be with one digit changed, left out or added, or with two neighbours swapped."""
    digits, every = phone[1:], "0123456789"
    cuts = [(digits[:place], digits[place:]) for place in range(len(digits) + 1)]
    found = {head + digit + tail for head, tail in cuts for digit in every}
    found |= {head + digit + tail[1:] for head, tail in cuts if tail for digit in every}
    found |= {head + tail[1:] for head, tail in cuts if tail}
    found |= {head + tail[1] + tail[0] + tail[2:] for head, tail in cuts if len(tail) > 1}
    return {f"+{one}" for one in found}
