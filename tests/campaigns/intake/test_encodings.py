"""A list's encoding is read right, or the list is refused with its cells as each encoding would show them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.errors import IntakeError
from campaigns.intake.encodings import CANDIDATES, doubt_about, foreign_chunks
from tests.campaigns.intake.test_intake import A, B, load
from tests.support.cases import each

WESTERN = {
    "French": "Céline Hélène François Françoise Geneviève Zoë Noël Anaïs Loïc Benoît Jérôme Thérèse Agnès Élodie Éric "
    "Ève Raphaël Gaëlle Maïté Joëlle Cœur Bérénice Forêt Lefèvre Rivière août très château déjà où être Été ça garçon",
    "Portuguese": "João Conceição Gonçalves Magalhães Simões Fátima António Inês Luís José Mário Câmara Ângela "
    "Lourenço Araújo Brandão Guimarães irmã avó você não promoção Óscar Álvaro Íris",
    "Spanish": "María José Muñoz Núñez Sánchez Martínez García López Ángel Íñigo Óscar Peña Raúl Jesús Inés Sofía "
    "Agüero Güemes Begoña Iván Joaquín",
    "German": "Müller Jürgen Jäger Käthe Schäfer Bär Böhm Größe Straße Strauß Weiß Köln Österreich Ärzte Grüße Götz",
    "Italian": "Nicolò Forlì Mosè Città Perù caffè Niccolò Noè",
    "Nordic": "Jørgen Søren Bjørn Åse Håkon Åsa Kjær Sjöberg Björk Malmö Göran",
}
OTHER = {
    "Polish": "Wiśniewski Łukasz Wójcik Michał Kępa Stępień Żukowski Małgorzata Piątek Świątek Jóźwiak Grażyna Paweł",
    "Czech": "Dvořák Čapek Černý Tomáš Aleš Dušan Růžena Jiří Přemysl Krčmář Vlčnov Žižka Bečvář Šimek Anička Škoda",
    "Hungarian": "Erdős Győző Kőszegi Szőke Zoltán Ödön Fűzfő Gergő Jenő Árpád",
    "Romanian": "Ştefan Ţepeş Băsescu Ionuţ Mihăilă Crăciun Gheorghiţă Niţă",
    "Croatian": "Đorđe Šimić Kovačić Marković Žarko Ćosić Dušan Janša Babić Miloš",
    "Turkish": "Şükrü Yılmaz Ayşe Doğan Işık Şahin Çağlar İbrahim Gökçe Barış Ağaoğlu Yıldırım Kılıç",
    "Latvian": "Jānis Kalniņš Bērziņš Pēteris Līga Ģirts Zariņa Žanis",
    "Lithuanian": "Žemaitė Šarūnas Ąžuolas Jonaitė Petraitienė Mačiulis",
    "Russian": "Иван Оля Наталья Ян Пётр Юлия",
    "Greek": "Γιώργος Ελένη Άννα Νίκος",
}
NAMES = {language: names.split() for language, names in (WESTERN | OTHER).items()}
ENCODINGS = [
    "cp1252",
    "iso8859-1",
    "iso8859-9",
    "iso8859-13",
    "cp858",
    *(each.encoding for each in CANDIDATES),
]


def encodable(name: str, encoding: str) -> bytes | None:
    """The name in that encoding, if it has the letters and the bytes are not ASCII or UTF-8."""
    try:
        encoded = name.encode(encoding)
        encoded.decode()
    except UnicodeEncodeError:
        return None
    except UnicodeDecodeError:
        return encoded
    return None


@each("language", NAMES)
def test_no_name_is_read_wrong_in_any_encoding(language: str) -> None:
    tried = 0
    for encoding in ENCODINGS:
        for name in NAMES[language]:
            encoded = encodable(name, encoding)
            if encoded is None or (name, encoding) == ("Kjær", "mac-croatian"):  # as Icelandic as Kjþr
                continue
            tried += 1
            if doubt_about(foreign_chunks([encoded])) is None:
                assert encoded.decode("cp1252") == name, encoding
    assert tried >= len(NAMES[language])


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_list_is_read_wrong(data: st.DataObject) -> None:
    names = data.draw(
        st.sampled_from(list(NAMES.values())).flatmap(
            lambda all_: st.lists(st.sampled_from(all_), min_size=1)
        )
    )
    encoding = data.draw(st.sampled_from(ENCODINGS))
    text = "\n".join(["Ana", *names])
    encoded = encodable(text, encoding)
    if encoded is not None and encoding != "mac-croatian" and doubt_about(foreign_chunks([encoded])) is None:
        assert encoded.decode("cp1252") == text


@each(
    "names, encoding",
    [
        ("Šimek Škoda", "mac-latin2"),
        ("Aleš Dušan Škoda", "cp852"),
        ("Žarko Dušan Janša", "cp1257"),
    ],
)
def test_no_short_list_is_read_wrong(names: str, encoding: str) -> None:
    """Which random lists were."""
    assert doubt_about(foreign_chunks([names.encode(encoding)])) is not None


PLACES = {
    "fr": ["cp850", "cp437", "mac-roman", "iso8859-15"],
    "es": ["cp850", "cp437", "mac-roman"],
    "pt": ["cp850", "mac-roman"],
    "de": ["cp850", "cp437", "mac-roman"],
    "sv": ["cp850", "mac-roman"],
    "pl": ["cp1250", "iso8859-2", "cp852"],
    "hu": ["cp1250", "iso8859-2", "cp852"],
    "ro": ["cp1250", "iso8859-2", "cp852"],
    "tr": ["cp1254", "cp857"],
    "ru": ["cp1251", "koi8-r", "cp866", "mac-cyrillic"],
    "bg": ["cp1251", "cp866"],
}


def places(language: str) -> list[str]:
    """Words of the places that the telephone library names in that language."""
    from phonenumbers.geodata import GEOCODE_DATA

    names = " ".join(names[language] for names in GEOCODE_DATA.values() if language in names)
    return sorted({word for word in re.findall(r"[^\W\d_]{2,}", names) if not word.isascii()})


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.large), 5])
@each("language", PLACES)
def test_no_place_is_read_wrong_in_the_encodings_of_its_language(language: str, every: int) -> None:
    words = places(language)
    assert len(words) > 25
    for encoding in PLACES[language]:
        for word in words[::every]:
            encoded = encodable(word, encoding)
            if encoded is not None and doubt_about(foreign_chunks([encoded])) is None:
                assert encoded.decode("cp1252") == word, encoding


@pytest.mark.parametrize("language", ["fr", "es", "pt", "de", "sv"])
def test_lists_of_western_places_are_read_by_themselves(language: str) -> None:
    words = places(language)
    lists = [words[at :: len(words) // 25] for at in range(len(words) // 25)]
    doubted = [each for each in lists if doubt_about(foreign_chunks([" ".join(each).encode("cp1252")]))]
    assert len(doubted) <= len(lists) // 20


@pytest.mark.parametrize("language", WESTERN)
def test_a_western_list_is_read_by_itself(tmp_path: Path, language: str) -> None:
    names = NAMES[language]
    rows = "".join(f"+4479{11_123_000 + at},{name}\n" for at, name in enumerate(names))
    loaded = load(tmp_path, f"phone,prénom\n{rows}".encode("cp1252"))
    assert [row["prénom"] for row in loaded.vars] == names


@each(
    "name",
    ["Hélène", "Céline", "Zoë", "Noël", "Geneviève", "François", "Benoît", "João", "Conceição", "Muñoz", "García",
     "María", "José", "Müller", "Straße", "Jäger", "L’Oréal", "N° 5 à 20 €", "«Été»", "20 °C", "Nº 3", "m² à louer",
     "¿Qué tal?", "D´Angelo à Nice", "HÉLÈNE", "Jean-Noël"],
)  # fmt: skip
def test_one_western_name_is_enough(tmp_path: Path, name: str) -> None:
    assert load(tmp_path, f"phone,name\n{A},{name}\n".encode("cp1252")).vars == [{"name": name}]


def test_a_long_list_may_have_an_odd_spelling() -> None:
    names = [*NAMES["French"], *NAMES["Portuguese"], *NAMES["Spanish"], "JosÉ"]
    assert doubt_about(foreign_chunks([" ".join(names).encode("cp1252")])) is None
    polish = "Wiśniewski".encode("cp1250")
    doubt = doubt_about(foreign_chunks([" ".join(names).encode("cp1252"), polish]))
    assert doubt is not None
    assert (doubt.word, doubt.encodings[0]) == (polish, "cp1250")


SHOWN = {
    "cp1250": ("Dvořák", ["cp1250: 'Jan Dvořák'", "cp1252: 'Jan Dvoøák'"]),
    "cp1254": ("Yılmaz", ["cp1254: 'Jan Yılmaz'", "cp1252: 'Jan Yýlmaz'"]),
    "mac-roman": ("Céline", ["mac-roman: 'Jan Céline'", "cp1252: 'Jan CŽline'"]),
    "cp850": ("Céline", ["cp850: 'Jan Céline'", "cp1252: 'Jan C‚line'"]),
    "iso8859-15": ("Cœur", ["iso8859-15: 'Jan Cœur'", "cp1252: 'Jan C½ur'"]),
    "cp1251": ("Оля", ["cp1251: 'Jan Оля'"]),
}


@pytest.mark.parametrize(("encoding", "name", "shown"), [(e, *rest) for e, rest in SHOWN.items()], ids=SHOWN)
def test_the_error_shows_the_cells_as_each_encoding_would(
    tmp_path: Path, encoding: str, name: str, shown: list[str]
) -> None:
    content = f"phone,name\n{A},Ana\n{B},Jan {name}\n".encode(encoding)
    with pytest.raises(IntakeError) as caught:
        load(tmp_path, content)
    assert (caught.value.code, caught.value.line) == ("encoding_ambiguous", 3)
    assert all(reading in str(caught.value) for reading in shown), str(caught.value)
    assert "--encoding" in caught.value.hint
    assert "encoding = " in caught.value.hint
    assert load(tmp_path, content, encoding=encoding).vars[1] == {"name": f"Jan {name}"}


def test_what_is_shown_is_short_and_safe_to_print(tmp_path: Path) -> None:
    with pytest.raises(IntakeError) as caught:
        load(tmp_path, b"phone,name\n+447911123456,\x1b[2J" + "Dvořák".encode("cp1250") + b"x" * 500)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_utf8_that_was_encoded_twice_is_named_and_can_be_read(tmp_path: Path) -> None:
    text = f"phone,name\n{A},Ana\n{B},Céline d’Été à Noël\n"
    twice = _twice(text)
    with pytest.raises(IntakeError, match="encoded as UTF-8 twice: line 3") as caught:
        load(tmp_path, twice)
    assert caught.value.code == "encoding_ambiguous"
    assert "--encoding utf-8-twice" in caught.value.hint
    assert load(tmp_path, twice, encoding="utf-8-twice").vars[1] == {"name": "Céline d’Été à Noël"}
    assert load(tmp_path, twice, encoding="utf-8").vars[1]["name"].startswith("CÃ©line")


def _twice(text: str) -> bytes:
    """As a program does that takes UTF-8 for cp1252; the five bytes that cp1252 does not use are kept."""
    return "".join(bytes([byte]).decode("cp1252" if byte not in (0x81, 0x8D, 0x8F, 0x90, 0x9D) else "latin-1")
                   for byte in text.encode()).encode()  # fmt: skip


def test_a_list_of_which_a_part_is_encoded_twice_cannot_be_read_as_such(tmp_path: Path) -> None:
    with pytest.raises(IntakeError, match="twice") as caught:
        load(tmp_path, f"phone,name\n{A},Zoë\n".encode() + _twice(f"{B},Céline\n"))
    assert "export it again" in caught.value.hint


@settings(max_examples=40, deadline=None)
@given(text=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1))
def test_what_was_encoded_twice_comes_back(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    content = _twice(f'phone,name\n{A},"x{text.replace(chr(34), "")}x"\n')
    loaded = load(tmp_path_factory.mktemp("any"), content, encoding="utf-8-twice")
    assert loaded.vars == [{"name": f"x{text.replace(chr(34), '')}x"}]


@pytest.mark.parametrize(
    "text",
    ["“CAFÉ” À LA CARTE", "«VOILÀ»", "Ålesund", "Ä, Ö", "Â", "São Paulo", "Việt Nam", "Привет", "日本"],
)
def test_utf8_is_never_ambiguous(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, f'phone,name\n{A},"{text}"\n').vars == [{"name": text}]
