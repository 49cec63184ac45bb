"""A QR code in the terminal: a gateway's PNG read back into modules. The home of Pillow."""

from __future__ import annotations

import base64
import binascii
import io
from typing import Final

_DARK: Final = 128
_QUIET: Final = 2
"""Modules of light border: less than the standard's four, and enough for phones."""
_FINDER: Final = 7
"""A QR code begins with a dark bar of seven modules: the edge of its first finder pattern."""
Modules = list[list[bool]]


def draw(code: str) -> str:
    """The code as half blocks, light on the terminal's dark background; a code that is no picture is returned
    unchanged."""
    pixels = _pixels(code)
    modules = _modules(pixels) if pixels else None
    return _half_blocks(_with_border(modules)) if modules else code


def _pixels(code: str) -> Modules | None:
    """Rows of dark (True) and light pixels of a `data:image/…;base64,` URI, None where it is no picture."""
    from PIL import Image, UnidentifiedImageError

    head, _, data = code.partition(",")
    if not head.startswith("data:image/"):
        return None
    try:
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            flat = Image.new("RGBA", image.size, "white")
            flat.alpha_composite(image.convert("RGBA"))
            grey = flat.convert("L")
    except (UnidentifiedImageError, binascii.Error, OSError, ValueError):
        return None
    raw, width = grey.tobytes(), grey.width
    return [[value < _DARK for value in raw[row * width : (row + 1) * width]] for row in range(grey.height)]


def _modules(pixels: Modules) -> Modules | None:
    """One value per module: the border is cut off, a module's size read from the first finder pattern."""
    rows = [place for place, row in enumerate(pixels) if any(row)]
    if not rows:
        return None
    top, bottom = rows[0], rows[-1]
    left = min(row.index(True) for row in pixels if any(row))
    first = pixels[top][left:]
    bar = first.index(False) if False in first else 0
    size = bar / _FINDER
    count = round((bottom - top + 1) / size) if size >= 1 else 0
    if count < 21 or (count - 17) % 4:
        return None
    places = [round((place + 0.5) * size - 0.5) for place in range(count)]
    if left + places[-1] >= len(pixels[0]):
        return None
    return [[pixels[top + y][left + x] for x in places] for y in places]


def _with_border(modules: Modules) -> Modules:
    width = len(modules[0]) + 2 * _QUIET
    blank = [[False] * width for _ in range(_QUIET)]
    side = [False] * _QUIET
    return [*blank, *([*side, *row, *side] for row in modules), *blank]


def _half_blocks(modules: Modules) -> str:
    """Light modules are painted: terminals are mostly dark, and a code must be dark on light."""
    blocks = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}
    padded = modules if len(modules) % 2 == 0 else [*modules, [True] * len(modules[0])]
    pairs = zip(padded[::2], padded[1::2], strict=True)
    return "\n".join(
        "".join(blocks[pair] for pair in zip(upper, lower, strict=True)) for upper, lower in pairs
    )
