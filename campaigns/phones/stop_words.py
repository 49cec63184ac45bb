"""Stop and start words in many languages: whole messages, and labels of buttons, by which people opt out of marketing,
of everything, or back in."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import datetime
from functools import cache, lru_cache
from typing import Final, Literal

from campaigns.frozen import frozen

Action = Literal["out", "in"]
Scope = Literal["marketing", "all"]

# Deliberately omitted: words that also answer an appointment, an order or a question (cancel, end, no, yes, enough,
# wait, go on), and common words of another language ("acha" is Swahili for stop and Hindi for fine).
STOP: Final = {
    "en": """stop; please stop; stop please; stop it; stop now; stop sms; stop ads; stop spam; stop spamming;
        stop spamming me; stop marketing; stop promotions; stop promo; stop messages; stop messaging me;
        stop texting me; stop sending me messages; stop writing to me; unsubscribe; unsubscribe me; unsub; opt out;
        opt me out; optout; quit; remove me; take me off your list; do not contact me; don't contact me""",
    "fr": """arrêt; arrêter; arrêtez; arrête; stop pub; stop svp; stopper; désabonner; désabonnement;
        me désabonner; désabonnez-moi; désinscrire; désinscription; me désinscrire; désinscrivez-moi""",
    "es": """baja; dar de baja; darme de baja; dame de baja; denme de baja; baja por favor; desuscribir;
        desuscribirme; cancelar suscripción; no más mensajes; parar; detener""",
    "pt": """sair; parar; pare de enviar; descadastrar; descadastre-me; me descadastre; cancelar inscrição;
        cancelar subscrição; remover inscrição; não quero receber mensagens""",
    "de": """stopp; abmelden; abbestellen; austragen; bitte abmelden; bitte stoppen; keine werbung;
        keine nachrichten mehr""",
    "it": """cancellami; disiscrivi; disiscrivimi; disiscrizione; cancella iscrizione; annulla iscrizione;
        smettila; non voglio più messaggi""",
    "nl": "afmelden; uitschrijven; schrijf me uit; stop met berichten; geen berichten meer; geen reclame",
    "pl": "wypisz; wypisz mnie; zatrzymaj; wyrejestruj; rezygnuję z subskrypcji; anuluj subskrypcję",
    "tr": "durdur; ret; abonelikten çık; aboneliği iptal et; mesaj istemiyorum; mesaj göndermeyin",
    "ru": """стоп; отписка; отписаться; отпишись; отпишите; отпишите меня; не пишите мне; прекратите;
        хватит писать""",
    "uk": "відписатися; відписка; відпишіть мене; не пишіть мені",
    "ar": """توقف; قف; إيقاف; أوقف; ايقاف الرسائل; إلغاء الاشتراك; الغاء اشتراك; إلغاء اشتراكي; لا ترسلوا لي""",
    "fa": "توقف; لغو اشتراک; لغو عضویت",
    "ur": "بند کریں; بند کرو; روکیں; پیغام بند کریں",
    "hi": "रोकें; रोको; बंद करें; बंद करो; बन्द करें; स्टॉप; सदस्यता समाप्त करें; band karo; band kare",
    "bn": "বন্ধ করুন; বন্ধ কর; থামুন; স্টপ; আনসাবস্ক্রাইব",
    "ta": "நிறுத்து; நிறுத்தவும்",
    "id": "berhenti; berhenti berlangganan; hentikan; stop promosi; jangan kirim lagi; henti; henti langganan",
    "tl": "itigil; ihinto; tumigil",
    "vi": "dừng lại; ngừng; dừng nhận tin; ngừng nhận tin; hủy đăng ký; huỷ đăng ký; ngừng gửi tin",
    "th": "หยุด; หยุดส่ง; ยกเลิกการรับข่าวสาร; เลิกรับข่าวสาร",
    "zh": "停止; 停止发送; 停止發送; 停止接收; 退订; 退訂; 取消订阅; 取消訂閱; 不要再发; 不要再發; 请停止; 請停止",
    "ja": "停止; 配信停止; 停止して; 停止してください; ストップ; 登録解除; 配信解除; 購読解除; やめてください",
    "ko": "중지; 정지; 그만; 그만 보내세요; 수신거부; 수신 거부; 스톱; 스탑; 구독취소; 구독 취소; 구독해지; 구독 해지",
    "sw": "komesha; simama; simamisha; acha kutuma; acha kunitumia; jiondoe; niondoe; jitoe",
    "he": "הסר; הסירו; הסירו אותי; הסר אותי; להסרה; להסיר; עצור; הפסק; הפסיקו; תפסיקו; סטופ",
    "ha": "dakata; tsaya; ku daina; a daina; ku daina aiko mini",
    "yo": "dáwọ́ dúró; ẹ dáwọ́ dúró",
    "ig": "kwụsị; kwusi ya",
    "am": "አቁም; አቁሙ",
    "so": "jooji; joojiya",
    "rw": "hagarika",
    "sv": "avregistrera; avregistrera mig; sluta skicka; avsluta prenumeration",
    "da": "afmeld; frameld; afmeld mig",
    "no": "avmeld; meld meg av",
    "fi": "lopeta; poista listalta; poistu listalta",
    "el": "στοπ; σταμάτα; σταματήστε; διαγραφή; απεγγραφή",
    "cs": "odhlásit; odhlásit se; zrušit odběr; odhlásiť",
    "ro": "dezabonare; dezabonează-mă; oprește; opriți",
    "hu": "leiratkozás; leiratkozom; leiratkozni",
}  # fmt: skip
"""Opt out of marketing. Language -> messages, separated by semicolons; "stop" itself is used in every language."""

STOP_ALL: Final = {
    "en": """stop all; stopall; stop all messages; stop everything; unsubscribe all; unsubscribe from all; opt out all;
        opt out of all; optout all; remove me from all""",
    "fr": "stop tout; arrêter tout; arrêtez tout; tout arrêter; stop à tout; stop tous; désabonner de tout",
    "es": "stop todo; parar todo; detener todo; baja total; baja de todo",
    "pt": "stop tudo; parar tudo; pare tudo; sair de tudo; sair de todas",
    "de": "stopp alles; stop alles; alles stoppen; alles abbestellen; von allem abmelden",
    "it": "stop tutto; ferma tutto; fermate tutto; disiscrivimi da tutto",
    "nl": "alles stoppen; alles afmelden; overal afmelden",
    "pl": "stop wszystko; zatrzymaj wszystko; wypisz ze wszystkiego",
    "tr": "hepsini durdur; tümünü durdur; stop hepsi",
    "ru": "стоп все; стоп всё; отписаться от всего; отпишите от всего",
    "uk": "стоп усе; стоп все; відписатися від усього",
    "ar": "إيقاف الكل; أوقف الكل; توقف الكل; ايقاف كل الرسائل; إلغاء كل الاشتراكات",
    "hi": "सब बंद करें; सब बंद करो; सभी बंद करें; सब रोकें; sab band karo",
    "id": "stop semua; berhenti semua; hentikan semua; henti semua",
    "vi": "dừng tất cả; ngừng tất cả; hủy tất cả đăng ký",
    "zh": "全部停止; 停止全部; 停止所有; 全部退订; 全部退訂; 退订全部; 退訂全部",
    "ja": "すべて停止; 全て停止; 全部停止; すべて配信停止",
    "ko": "모두 중지; 전체 중지; 전체 수신거부; 전체 수신 거부; 모두 수신거부",
    "sw": "simamisha zote; komesha zote; acha kutuma zote",
    "he": "הסר מהכל; הסירו מהכל; עצור הכל; הפסק הכל",
    "ha": "dakata duka; tsaya duka; ku daina duka",
}  # fmt: skip
"""Opt out of all messages."""

STOP_BUTTONS: Final = {
    "en": """stop promotions; stop promos; unsubscribe from promos; unsubscribe from promotions;
        unsubscribe from marketing; unsubscribe from marketing messages; stop marketing messages""",
    "es": "detener promociones; parar promociones; cancelar promociones",
    "pt": "parar promoções; parar promoção; interromper promoções; cancelar promoções",
    "fr": "arrêter les promotions; arrêter les promos; stopper les promotions",
    "de": "werbung stoppen; werbeaktionen stoppen; aktionen stoppen; angebote stoppen; werbung beenden",
    "it": "interrompi promozioni; interrompi le promozioni; ferma promozioni; stop promozioni; blocca promozioni",
    "nl": "promoties stoppen; stop promoties; aanbiedingen stoppen; stop aanbiedingen; stop reclame",
    "af": "stop promosies",
    "ca": "atura les promocions; aturar promocions",
    "ro": "oprește promoțiile; opriți promoțiile",
    "pl": "zatrzymaj promocje; zrezygnuj z promocji",
    "cs": "zastavit propagační zprávy; zastavit propagaci; zastavit reklamy",
    "sk": "zastaviť propagáciu; zastaviť reklamy",
    "sl": "ustavi promocije",
    "hr": "zaustavi promocije; prekini promocije",
    "sr": "заустави промоције; prekini promocije",
    "mk": "запри промоции",
    "bg": "спиране на промоциите; спри промоциите",
    "ru": "остановить рекламу; отключить рекламу; прекратить рассылку; отписаться от рассылки; остановить акции",
    "uk": "зупинити рекламу; вимкнути рекламу; відписатися від розсилки",
    "kk": "жарнаманы тоқтату",
    "uz": "reklamani to'xtatish",
    "az": "promosyonları dayandır; reklamları dayandır",
    "tr": "promosyonları durdur; kampanyaları durdur; reklamları durdur",
    "el": "διακοπή προσφορών; διακοπή προωθητικών; σταματήστε τις προσφορές",
    "sq": "ndalo promovimet; ndalo promocionet",
    "hu": "promóciók leállítása; reklámok leállítása; akciók leállítása",
    "fi": "lopeta mainokset; lopeta tarjoukset",
    "et": "lõpeta pakkumised; lõpeta reklaamid",
    "lv": "pārtraukt reklāmas; apturēt akcijas",
    "lt": "stabdyti reklamą; sustabdyti akcijas",
    "sv": "stoppa erbjudanden; stoppa reklam; stoppa kampanjer",
    "da": "stop kampagner; stop tilbud; stop reklamer",
    "no": "stopp kampanjer; stopp tilbud; stopp reklame",
    "ga": "stop na tairiscintí",
    "ar": "إيقاف العروض الترويجية; إيقاف العروض; ايقاف الرسائل الترويجية; إيقاف الإعلانات",
    "he": "הפסקת מבצעים; עצור מבצעים; הפסק מבצעים; הפסיקו מבצעים; להפסיק מבצעים",
    "fa": "توقف تبلیغات; توقف پیام های تبلیغاتی",
    "ur": "پروموشنز بند کریں; تشہیر بند کریں",
    "hi": "प्रमोशन बंद करें; प्रमोशन रोकें; प्रचार बंद करें; ऑफ़र बंद करें",
    "bn": "প্রচার বন্ধ করুন; প্রোমোশন বন্ধ করুন",
    "gu": "પ્રમોશન બંધ કરો",
    "mr": "प्रमोशन थांबवा; जाहिराती थांबवा",
    "pa": "ਪ੍ਰਮੋਸ਼ਨ ਬੰਦ ਕਰੋ",
    "ta": "விளம்பரங்களை நிறுத்து; விளம்பரங்களை நிறுத்தவும்",
    "te": "ప్రమోషన్లను ఆపండి; ప్రమోషన్లు ఆపండి",
    "kn": "ಪ್ರಚಾರಗಳನ್ನು ನಿಲ್ಲಿಸಿ",
    "ml": "പ്രമോഷനുകൾ നിർത്തുക",
    "id": "hentikan promosi; berhenti promosi; setop promosi; stop promo",
    "ms": "hentikan promosi; henti promosi",
    "tl": "ihinto ang mga promosyon; itigil ang mga promo; ihinto ang promo",
    "vi": "dừng khuyến mãi; ngừng khuyến mãi; dừng nhận khuyến mãi; dừng quảng cáo",
    "th": "หยุดโปรโมชั่น; หยุดรับโปรโมชั่น; หยุดการส่งโปรโมชัน",
    "lo": "ຢຸດໂປຣໂມຊັນ",
    "km": "បញ្ឈប់ការផ្សព្វផ្សាយ",
    "zh": "停止推广; 停止促销; 停止推廣; 停止促銷; 停止推广信息; 停止促销信息; 停止推廣訊息; 停止促銷訊息",
    "ja": "プロモーションを停止; プロモーション停止; 宣伝を停止; 配信を停止",
    "ko": "프로모션 중지; 프로모션 중단; 홍보 중지; 광고 중지; 광고 수신 거부",
    "sw": "acha promosheni; sitisha matangazo; komesha matangazo",
    "ha": "dakatar da talla; a daina talla",
    "rw": "hagarika kwamamaza",
    "zu": "misa ukuphromotha",
}  # fmt: skip
"""Labels of opt-out buttons in the languages of Meta's templates: opt out of marketing. "Stop promotions" is the button
that Meta's template editor adds, "Unsubscribe from Promos" and "from All" stand in Meta's sample templates. English,
Spanish ("Detener promociones") and Portuguese ("Parar promoções") as published payloads of such templates show them,
read on 2026-11-29. No published list of the other languages is known: they are translated here, with usual variants."""

STOP_ALL_BUTTONS: Final = {
    "en": "unsubscribe from all messages; stop delivery updates; stop updates; stop notifications",
    "es": "detener todos los mensajes; cancelar todos los mensajes; detener notificaciones",
    "pt": "parar todas as mensagens; cancelar todas as mensagens; parar notificações",
    "fr": "arrêter tous les messages; se désabonner de tous les messages; arrêter les notifications",
    "de": "alle nachrichten stoppen; alle nachrichten abbestellen; benachrichtigungen stoppen",
    "it": "interrompi tutti i messaggi; annulla tutti i messaggi; interrompi notifiche",
}
"""Labels of buttons that opt out of all messages. "Stop Delivery Updates" of Meta's samples does not concern marketing,
and no narrower opt-out covers it."""

START: Final = {
    "en": """start; unstop; start all; unstop all; resubscribe; subscribe; subscribe me; opt in; opt me in;
        optin; opt back in; start again""",
    "fr": "me réabonner; réabonner; réabonnez-moi; réabonnement; s'abonner; abonnez-moi",
    "es": "suscribir; suscribirme; resuscribir; darme de alta; dame de alta",
    "pt": "reinscrever; recadastrar; quero voltar a receber",
    "de": "wieder anmelden; wieder abonnieren; abonnieren",
    "it": "riscrivimi; iscrivimi di nuovo",
    "nl": "opnieuw aanmelden; weer aanmelden",
    "pl": "wznów subskrypcję; zapisz mnie ponownie",
    "tr": "başlat; yeniden başlat; abone ol",
    "ru": "старт; подписаться; подписка; подпишите меня",
    "uk": "підписатися; підпишіть мене",
    "ar": "ابدأ; اشترك; اشتراك; إعادة الاشتراك",
    "hi": "शुरू करें; शुरू करो; चालू करें; स्टार्ट; सदस्यता लें; shuru karo",
    "id": "berlangganan; berlangganan lagi; langgan; langgan semula",
    "vi": "đăng ký lại; nhận tin lại",
    "zh": "重新订阅; 重新訂閱; 订阅; 訂閱; 恢复订阅; 恢復訂閱",
    "ja": "再開; 配信再開; 再登録; 購読; スタート",
    "ko": "수신재개; 수신동의; 수신 동의; 구독; 재구독",
    "sw": "jiunge tena; niunge tena",
    "he": "התחל; הצטרפות מחדש; חידוש הרשמה",
    "ha": "sake farawa; sake saka ni",
}  # fmt: skip
"""Opt in to all messages."""

_LETTERS: Final = str.maketrans("łøđðıɗɓƙƴ", "loddidbky")
"""Letters with a stroke or a hook, and the dotless i, which Unicode normalization does not decompose."""
_UNSEEN: Final = frozenset("\u034f\u0640\u115f\u1160\u17b4\u17b5\u3164\uffa0")
"""Characters that only fill or stretch the letters around them."""
_ACCENTS: Final = frozenset((*range(10, 37), *range(200, 241)))
"""Combining classes of accents and of Hebrew's and Arabic's vowel points; those of Indic scripts distinguish words."""


@frozen
class StopWord:
    """The preference that a message expresses."""

    action: Action
    scope: Scope

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The scopes in the opt-out log that it changes: an opt-in to all is an opt-in to each."""
        return ("all", "marketing") if self.action == "in" and self.scope == "all" else (self.scope,)


def usual_scope(action: Action) -> Scope:
    """The scope of an opt-out or opt-in that names none."""
    return "marketing" if action == "out" else "all"


def comes_after(at: datetime, action: Action, last: datetime, last_action: Action) -> bool:
    """Whether a preference of time `at` replaces the last one; of two at the same time the opt-out applies."""
    return at > last or (at == last and action == "out" and last_action == "in")


def find_stop_word(text: str) -> StopWord | None:
    """The preference that the message expresses; None if it is not, as a whole, a stop or start word.

    Case, accents, punctuation, emoji, spaces, invisible characters and full-width letters make no difference.
    """
    return _words().get(_fold(text))


def find_preference(text: str | None, payload: str | None) -> StopWord | None:
    """The preference that a message or a pressed button expresses: by its text or label, or by the payload or id that
    the sender gave the button, whatever its label. A payload alone only opts out: "START" may begin anything."""
    found = [find_stop_word(part) for part in (text, payload) if part]
    outs = [word for word in found if word is not None and word.action == "out"]
    if outs:
        return next((word for word in outs if word.scope == "all"), outs[0])
    return find_stop_word(text) if text else None


def _fold(text: str) -> str:
    """The letters and digits only, in words separated by one space."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).translate(_LETTERS)
    return " ".join("".join(map(_plain, plain)).split())


@lru_cache(maxsize=4096)
def _plain(character: str) -> str:
    """The character; empty for accents and invisible characters; a space for characters that separate words."""
    if character in _UNSEEN or unicodedata.combining(character) in _ACCENTS:
        return ""
    match unicodedata.category(character):
        case "Cf" | "Me":
            return ""
        case "Mn" if "VARIATION SELECTOR" in unicodedata.name(character, ""):
            return ""
        case category if category[0] in "LNM":
            return character
        case _:
            return " "


def _read(words: dict[str, str], meaning: StopWord) -> Iterable[tuple[str, StopWord]]:
    return ((_fold(word), meaning) for language in words.values() for word in language.split(";"))


@cache
def _words() -> dict[str, StopWord]:
    return {
        **dict(_read(START, StopWord("in", "all"))),
        **dict(_read(STOP, StopWord("out", "marketing"))),
        **dict(_read(STOP_BUTTONS, StopWord("out", "marketing"))),
        **dict(_read(STOP_ALL, StopWord("out", "all"))),
        **dict(_read(STOP_ALL_BUTTONS, StopWord("out", "all"))),
    }
