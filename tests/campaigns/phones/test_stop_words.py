"""A message is a stop word as a whole or not at all, however it is typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.phones.stop_words import (
    START,
    STOP,
    STOP_ALL,
    STOP_ALL_BUTTONS,
    STOP_BUTTONS,
    StopWord,
    find_preference,
    find_stop_word,
)
from tests.support.cases import each

OUT, OUT_OF_ALL, IN = StopWord("out", "marketing"), StopWord("out", "all"), StopWord("in", "all")
TABLES = (
    (STOP, OUT),
    (STOP_BUTTONS, OUT),
    (STOP_ALL, OUT_OF_ALL),
    (STOP_ALL_BUTTONS, OUT_OF_ALL),
    (START, IN),
)
WORDS = [
    (language, word.strip(), meaning)
    for table, meaning in TABLES
    for language, words in table.items()
    for word in words.split(";")
]
DECORATION = st.text(
    st.sampled_from(" \t\n\u00a0\u3000\u200b\u200d\u2060\ufeff\ufe0f.,!?…*_~\"'«»()🛑🙏🏽❤"), max_size=30
)


@each(("language", "word", "meaning"), WORDS)
def test_each_stop_word_has_the_meaning_of_its_table(language: str, word: str, meaning: StopWord) -> None:
    assert find_stop_word(word) == meaning
    assert find_stop_word(word.upper()) == meaning
    assert find_stop_word(word.title()) == meaning


@given(st.sampled_from(WORDS), DECORATION, DECORATION, st.text(" \t\n\u00a0\u3000", min_size=1, max_size=5))
def test_what_is_around_and_between_the_words_makes_no_difference(
    case: tuple[str, str, StopWord], before: str, after: str, space: str
) -> None:
    _, word, meaning = case
    assert find_stop_word(before + space.join(word.split()) + after) == meaning


@given(st.text())
def test_any_text_is_answered_and_case_and_space_make_no_difference(text: str) -> None:
    assert find_stop_word(f"  {text}\n") == find_stop_word(text)
    assert find_stop_word(text.casefold()) == find_stop_word(text)


@given(st.text(st.characters(codec=None), max_size=50), st.sampled_from(WORDS))
def test_a_stop_word_with_more_text_is_none(text: str, case: tuple[str, str, StopWord]) -> None:
    assert find_stop_word(f"{case[1]} 7 {text}") is None
    assert find_stop_word(f"{text} 7 {case[1]}") is None


@each(
    ("text", "meaning"),
    [
        ("ＳＴＯＰ", OUT),
        ("s\u200bt\u200bo\u200bp", OUT),
        ("stóp", OUT),
        ("🛑STOP🛑", OUT),
        ("*STOP*", OUT),
        ("Arret !", OUT),
        ("ABONELİKTEN ÇIK", OUT),
        ("huy dang ky", OUT),
        ("إِيقَاف", OUT),
        ("ｽﾄｯﾌﾟ", OUT),
        ("Stop-All", OUT_OF_ALL),
        ("OPT-IN", IN),
    ],
)
def test_a_stop_word_is_recognised_however_it_is_typed(text: str, meaning: StopWord) -> None:
    assert find_stop_word(text) == meaning


@each(
    "text",
    [
        "",
        "🛑",
        "stopp by",
        "Where is the bus stop?",
        "Please stop by at five",
        "Don't stop",
        "non stop",
        "stop 2",
        "s t o p",
        "Stop! I want to order first",
        "I have to start over",
        "When do you start?",
        "Ne vous arrêtez pas",
        "No quiero darme de baja",
        "Ich kann mich nicht abmelden",
        "Где остановка стоп",
        "请不要停止",
        "停止しないで",
    ],
)
def test_a_sentence_with_a_stop_word_is_none(text: str) -> None:
    assert find_stop_word(text) is None


@each(
    "text",
    [
        "cancel", "end", "no", "yes", "ok", "wait", "enough", "nein", "ja", "non", "oui", "annuler", "fin", "cancelar",
        "no gracias", "sí", "não", "iptal", "onay", "нет", "да", "отмена", "لا", "نعم", "إلغاء", "नहीं", "रुको",
        "batal", "không", "hủy", "đúng", "dung", "取消", "不", "はい", "いいえ", "キャンセル", "취소", "아니요",
        "hapana", "acha", "לא", "כן", "ביטול", "a'a", "basta", "seis", "duro", "alta", "continue", "resume", "join",
    ],
)  # fmt: skip
def test_what_answers_an_appointment_or_an_order_is_left_out(text: str) -> None:
    assert find_stop_word(text) is None


def test_no_word_has_two_meanings() -> None:
    meanings: dict[str, set[StopWord]] = {}
    for _, word, meaning in WORDS:
        meanings.setdefault(word.casefold(), set()).add(meaning)
    assert {word for word, found in meanings.items() if len(found) > 1} == set()


def test_coming_back_to_all_is_coming_back_to_each() -> None:
    assert (OUT.scopes, OUT_OF_ALL.scopes) == (("marketing",), ("all",))
    assert set(IN.scopes) == {"all", "marketing"}
    assert StopWord("in", "marketing").scopes == ("marketing",)


@each(
    ("label", "payload", "meaning"),
    [
        ("Stop promotions", "Stop promotions", OUT),
        ("Detener promociones", "STOP", OUT),
        ("Detener promociones", "Detener promociones", OUT),
        ("Parar promoções", None, OUT),
        ("Unsubscribe from Promos", "btn-2", OUT),
        ("Unsubscribe from All", "btn-3", OUT_OF_ALL),
        ("Stop Delivery Updates", None, OUT_OF_ALL),
        ("No more offers", "STOP", OUT),
        ("No more offers", "stop_promotions", OUT),
        ("No more offers", "opt-out", OUT),
        (None, "UNSUBSCRIBE", OUT),
        ("Stop", "stop_all", OUT_OF_ALL),
        ("Stop all", "stop", OUT_OF_ALL),
        ("Start", "STOP", OUT),
        ("Stop", "START", OUT),
        ("Start", "btn-1", IN),
        ("Begin the quiz", "START", None),
        ("Yes", "yes", None),
        ("Show promotions", "promotions", None),
        ("Bus stops nearby", "stop_7", None),
        (None, None, None),
    ],
)
def test_a_button_opts_out_by_its_label_or_by_its_payload(
    label: str | None, payload: str | None, meaning: StopWord | None
) -> None:
    assert find_preference(label, payload) == meaning


@pytest.mark.parametrize(
    "text",
    [
        "promotions",
        "Stop promotions at checkout?",
        "Ver promociones",
        "Mehr Werbung",
        "unsubscribe from work",
        "stop order",
    ],
)
def test_what_only_resembles_the_label_of_an_opt_out_button_is_none(text: str) -> None:
    assert find_stop_word(text) is None
