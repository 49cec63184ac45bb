"""Placeholders of other tools, such as `{first_name}`, in a campaign's text, where they would be sent unchanged.

A footnote `[1]`, a discount, an address and code are no placeholders: of what is common in plain text, as `[…]` is,
only the names of a person's data count.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from campaigns.message.content_spec import ContentSpec
from campaigns.message.content_tree import Source, free_form_tree, template_tree

_NAME: Final = r"[^\W\d][\w .-]{0,40}?"
_FORMS: Final = re.compile(
    r"(?P<number>\{\{\s*\d+\s*\}\})"  # {{1}}: WhatsApp's own templates
    r"|\*\|(?P<bar>[A-Za-z][\w:]*)\|\*"  # Mailchimp
    r"|%%(?P<double>" + _NAME + r")%%"
    r"|(?<![\w%])%(?P<percent>[^\W\d]\w*)%(?![\w%])"
    r"|<<(?P<angle>" + _NAME + r")>>"
    r"|(?<![{$#\w\\])\{[ ]?(?P<curly>" + _NAME + r")[ ]?\}(?!\})"
    r"|(?<![\w\]\\)$])\[[ ]?(?P<square>" + _NAME + r")[ ]?\](?![\w(\[])"
)  # fmt: skip
_CODE_BEFORE: Final = re.compile(r"(?:[)=:;>]|\b(?:else|do|try|finally))\s*\Z")
_PERSONAL: Final = frozenset(
    {
        "name", "firstname", "lastname", "surname", "fullname", "username", "nickname", "fname", "lname",
        "mname", "salutation", "title", "company", "email", "phone", "mobile", "birthday", "customer", "client",
        "contact", "coupon", "voucher", "nom", "prenom", "societe", "civilite", "telephone", "vorname",
        "nachname", "anrede", "firma", "kunde", "kundenname", "nombre", "apellido", "apellidos", "empresa",
        "cliente", "nome", "sobrenome", "cognome",
    }
)  # fmt: skip
"""Names of personal data that make `[…]` a placeholder; in small letters without accents and spaces."""
_SHOWN: Final = frozenset(
    {"text", "caption", "header", "footer", "title", "button", "description", "alt", "filename", "formatted_name",
     "first_name", "last_name", "name", "address", "parameter", "customer_name"}
)  # fmt: skip
"""The last part of the keys whose text a person sees."""


class Placeholder(NamedTuple):
    """A placeholder of another tool: where it is, and how it is written here."""

    key: str
    line: int
    found: str
    here: str


def foreign_placeholders(content: ContentSpec) -> Iterator[Placeholder]:
    """Those in the texts that a person sees; none where the content declares them as literal."""
    if content.literal_placeholders:
        return
    trees: list[Mapping[str, Any]] = [free_form_tree(content)] if content.free_form else []
    trees += [template_tree(content)] if content.template else []
    for key, text in _texts(trees):
        if is_shown(key):
            yield from (Placeholder(key, *found) for found in find_placeholders(text))


def find_placeholders(text: str) -> Iterator[tuple[int, str, str]]:
    """(line, placeholder, how it is written here) of each in the text."""
    for found in _FORMS.finditer(text):
        form = str(found.lastgroup)
        name = found[form].strip()
        if form == "square" and not _is_personal(name):
            continue
        if form == "curly" and (len(name) < 2 or _CODE_BEFORE.search(text[: found.start()])):
            continue
        if _inside_braces(text, found.start()):
            continue
        here = "{{ first_name }}" if form == "number" else f"{{{{ {_spelled(name)} }}}}"
        yield text.count("\n", 0, found.start()) + 1, found[0], here


def literal(source: str) -> str:
    """The text with `{{1}}` as text, not as the number 1."""
    return re.sub(r"\{\{\s*\d+\s*\}\}", lambda found: f"{{{{ {found[0]!r} }}}}", source)


def _is_personal(name: str) -> bool:
    if "_" in name.strip("_"):
        return True
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[\s.-]", "", plain) in _PERSONAL


def _inside_braces(text: str, at: int) -> bool:
    """Whether the place is inside {{ … }} or {% … %}, which is the code of a template."""
    begins = max(text.rfind("{{", 0, at), text.rfind("{%", 0, at))
    return begins >= 0 and max(text.find("}}", begins, at), text.find("%}", begins, at)) < 0


def _spelled(name: str) -> str:
    return re.sub(r"[\s.-]+", "_", name.lower()) if name.isascii() else name


def is_shown(key: str) -> bool:
    """Whether a person reads the text of that key."""
    last = key.rpartition(".")[2].partition("[")[0]
    return last in _SHOWN or ".parameters" in key


def _texts(node: Any) -> Iterator[Source]:
    match node:
        case Source():
            yield node
        case dict():
            for each in node.values():
                yield from _texts(each)
        case list():
            for each in node:
                yield from _texts(each)
