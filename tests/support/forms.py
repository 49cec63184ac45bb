"""The fields of a page's form as a browser would send them."""

from __future__ import annotations

from html.parser import HTMLParser


class _Form(HTMLParser):
    """The fields of the form with the most of them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[dict[str, str]] = []
        self._select: str | None = None
        self._first = False
        self._text: str | None = None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append({})
        if not self.forms:
            return
        fields, name = self.forms[-1], given.get("name", "")
        match tag:
            case "input" if given.get("type") in ("checkbox", "radio"):
                if "checked" in given:
                    fields[name] = given.get("value", "on")
            case "input" if name:
                fields[name] = given.get("value", "")
            case "textarea":
                self._text, fields[name] = name, ""
            case "select":
                self._select, self._first = name, True
            case "option" if self._select is not None:
                if self._first or "selected" in given:
                    fields[self._select] = given.get("value", "")
                self._first = False

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = None
        if tag == "textarea" and self._text is not None:
            text = self.forms[-1][self._text]
            self.forms[-1][self._text] = text.removeprefix("\n").replace("\n", "\r\n")
            self._text = None

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self.forms[-1][self._text] += data


def fields_of(html: str) -> dict[str, str]:
    """Those of the largest form, with the values that the page shows."""
    return max(_Form(html).forms, key=len)
