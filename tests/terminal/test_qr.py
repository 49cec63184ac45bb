"""QR codes in the terminal: what is drawn is the code, module by module, whatever its size on the picture."""

from __future__ import annotations

import base64
import io

import pytest
import segno

from terminal.qr import draw


def picture(code: segno.QRCode, scale: int, border: int, kind: str = "png") -> str:
    file = io.BytesIO()
    code.save(file, kind=kind, scale=scale, border=border)
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"


def undrawn(text: str, size: int) -> list[list[int]]:
    """The modules that half blocks show, without the border: dark is 1."""
    halves = {"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1)}
    rows: list[list[int]] = []
    for line in text.splitlines():
        rows += [[halves[mark][half] for mark in line] for half in (0, 1)]
    return [row[2 : 2 + size] for row in rows[2 : 2 + size]]


@pytest.mark.parametrize("text", ["2@abc", "2@" + "x" * 200])
@pytest.mark.parametrize(("scale", "border"), [(1, 0), (3, 4), (8, 1), (10, 4)])
def test_the_drawing_is_the_code(text: str, scale: int, border: int) -> None:
    code = segno.make_qr(text)
    assert undrawn(draw(picture(code, scale, border)), len(code.matrix)) == [list(row) for row in code.matrix]


@pytest.mark.parametrize(
    "code", ["2@plain-text", "data:image/png;base64,AAAA", "data:image/png;base64,%%", ""]
)
def test_what_is_no_picture_comes_back_as_it_is(code: str) -> None:
    assert draw(code) == code
