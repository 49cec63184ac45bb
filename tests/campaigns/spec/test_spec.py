"""The campaign file: what it accepts, and what it says about what it does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from campaigns.errors import NotFound, SpecError
from campaigns.message.content import MessageType
from campaigns.rules.decision import Consent
from campaigns.spec.campaign_spec import CampaignSpec, load_spec
from campaigns.spec.values import Category
from campaigns.time.pace import Rate
from tests.support.cases import each

HEAD = 'name = "spring-sale"\nprovider = "ourvoice"\nsenders = ["shop", "depot"]\n'
BODY = '[content]\ntext = "Hi {{ first_name }}"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "spring.toml"


def refusal(file: Path, text: str) -> SpecError:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load_spec(file)
    return caught.value


def accepted(file: Path, text: str) -> CampaignSpec:
    file.write_text(text, encoding="utf-8")
    return load_spec(file)


def test_a_small_file_has_the_documented_defaults(file: Path) -> None:
    spec = accepted(file, HEAD + BODY)
    assert spec.category is Category.MARKETING
    assert (spec.priority, spec.lanes) == (0, ("ourvoice/shop", "ourvoice/depot"))
    assert (spec.audience.max_reject_percent, spec.audience.duplicates) == (20, "first")
    assert (spec.pace.gap, spec.pace.rate, spec.schedule.start_at) == (None, None, None)
    assert spec.content.types == (MessageType.TEXT,)


def test_what_checks_a_table_that_few_files_have_is_built_when_one_is_met(file: Path) -> None:
    spec = accepted(file, HEAD + BODY)
    checks = str(type(spec).__pydantic_core_schema__)
    assert "ScheduleSpec" in checks
    few = "BudgetSpec CapSpec ConsentSpec HoldoutSpec HoursSpec TemplateSpec VariantSpec WinnerSpec"
    assert [name for name in few.split() if name in checks] == []


def test_every_key_is_read(file: Path) -> None:
    spec = accepted(
        file,
        'category = "utility"\npriority = 5\n'
        + HEAD
        + BODY
        + """
        defaults = { first_name = "there" }
        [audience]
        csv = "people/spring.csv"
        default_country = "bj"
        phone_column = "Tel"
        map = { "Vorname" = "first_name" }
        delimiter = "tab"
        encoding = "cp1252"
        duplicates = "last"
        landlines = "accept"
        max_reject_percent = 2.5
        [schedule]
        at = "2026-12-01T09:00"
        timezone = "Africa/Porto-Novo"
        ends_at = 2026-12-01T20:00:00
        expires_after = "90m"
        [pace]
        delay_between = 250
        rate = "2/s"
        """,
    )
    assert spec.category is Category.UTILITY
    assert spec.audience.csv == file.parent / "people/spring.csv"
    assert (spec.audience.default_country, spec.audience.delimiter) == ("BJ", "\t")
    assert spec.schedule.start_at == datetime(2026, 12, 1, 8, tzinfo=UTC)
    assert spec.schedule.end_at == datetime(2026, 12, 1, 19, tzinfo=UTC)
    assert spec.pace.gap == timedelta(milliseconds=250)
    assert spec.pace.rate == Rate(2, timedelta(seconds=1))
    assert CampaignSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(
    ("written", "country"), [("bj", "BJ"), ("UK", "GB"), ("Bénin", "BJ"), ("+229", "BJ")]
)
def test_the_default_country_is_kept_as_its_code(file: Path, written: str, country: str) -> None:
    spec = accepted(file, HEAD + BODY + f'[audience]\ndefault_country = "{written}"\n')
    assert spec.audience.default_country == country


def test_phone_columns_may_have_fallbacks(file: Path) -> None:
    one = accepted(file, HEAD + BODY + '[audience]\nphone_column = "Tel"\n')
    assert one.audience.options(frozenset(), None).phone_columns == ("Tel",)
    spec = accepted(file, HEAD + BODY + '[audience]\nphone_column = ["WhatsApp", "Tel"]\n')
    assert spec.audience.options(frozenset(), None).phone_columns == ("WhatsApp", "Tel")
    assert CampaignSpec.from_json(spec.to_json()) == spec


def test_a_list_may_be_filtered_and_say_who_agreed(file: Path) -> None:
    text = HEAD + BODY + 'defaults = { "first_name" = "you" }\n[audience]\nconsent = "Opt-in"\n'
    spec = accepted(
        file, text + 'date_format = "%d/%m/%Y"\nwhere = { City = ["Paris", "Lyon"], "Opt-in" = "Oui" }\n'
    )
    options = spec.audience.options(frozenset(), None, None, spec.optional_variables)
    assert options.where == {"City": frozenset({"Paris", "Lyon"}), "Opt-in": frozenset({"Oui"})}
    assert (options.consent, options.date_format, options.optional) == ("Opt-in", "%d/%m/%Y", {"first_name"})
    assert CampaignSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(
    ("tables", "needed"),
    [
        ("", None),
        ('[audience]\nconsent = "Opt-in"\n', Consent(None)),
        ('[audience]\nconsent = "Opt-in"\n[consent]\nmax_age = "1d"\n', Consent(timedelta(days=1))),
        ('[audience]\nconsent = "Opt-in"\n[consent]\nrequired = false\n', None),
    ],
)
def test_a_list_with_a_consent_column_requires_consent(
    file: Path, tables: str, needed: Consent | None
) -> None:
    assert accepted(file, HEAD + BODY + tables).needed_consent == needed


@each(
    ("text", "line", "says"),
    [
        (
            HEAD + BODY + "[audience]\nwhere = { Age = 30 }\n",
            7,
            'where: Age must be a text, such as "Oui", or a list',
        ),
        (HEAD + BODY + "[audience]\nwhere = { Age = [] }\n", 7, "where: Age must be a text"),
        (
            HEAD + BODY + '[audience]\ndate_format = "%d/%m"\n',
            7,
            "date_format: it must have day, month and year",
        ),
        (HEAD + BODY + '[audience]\ndate_format = "DD/MM/YYYY"\n', 7, "it must have day, month and year"),
        (HEAD + BODY + '[audience]\ndate_format = "%d %d %m %Y"\n', 7, "it must have day, month and year"),
        (
            HEAD + BODY + "[audience]\nphone_column = []\n",
            7,
            "phone_column: it must be the name of a column, or",
        ),
        (HEAD + BODY + '[audience]\nphone_column = ["a", 3]\n', 7, "it must be the name of a column, or"),
        (
            HEAD
            + '[content]\ntemplate = { name = "c", cards = [{ header = { product = { id = "2" } } }] }\n',
            5,
            "cards of products cannot be sent yet",
        ),
        (HEAD + '[content]\ntxt = "Hi"\n', 5, "content.txt is not known. Did you mean content.text?"),
        (HEAD + "prority = 3\n" + BODY, 4, "prority is not known. Did you mean priority?"),
        (HEAD + BODY + "[audiance]\n", 6, "audiance is not known. Did you mean audience?"),
        (
            HEAD + BODY + "[pace]\nzzz = 1\n",
            7,
            "pace.zzz is not known. Known here: contact_gap, delay_between, jitter, ramp, rate.",
        ),
        (HEAD + BODY + '[pace]\nrate = "fast"\n', 7, 'a rate is written as "20/s"'),
        (HEAD + BODY + '[pace]\nrate = "0/s"\n', 7, 'a rate is written as "20/s"'),
        (
            HEAD + BODY + '[pace]\ndelay_between = "500"\n',
            7,
            "pace.delay_between: write a whole number, such as 5, not '500'.",
        ),
        (HEAD + BODY + "[pace]\ndelay_between = -1\n", 7, "greater than or equal to 0"),
        (
            HEAD + BODY + "[pace]\ndelay_between = true\n",
            7,
            "pace.delay_between: input should be a valid integer",
        ),
        (HEAD + BODY + '[schedule]\nexpires_after = "soon"\n', 7, 'a duration is written as "500ms"'),
        (HEAD + BODY + '[schedule]\nexpires_after = "0s"\n', 7, "it must be more than 0"),
        (HEAD + BODY + '[schedule]\nat = "tomorrow"\n', 7, "'tomorrow' is not a time"),
        (HEAD + BODY + "[schedule]\nat = 2026-12-01\n", 7, "the time of day is missing"),
        (HEAD + BODY + '[schedule]\nat = "2026-12-01T09:00"\n', 6, "has no time zone"),
        (HEAD + BODY + '[schedule]\ntimezone = "Mars/Base"\n', 7, "'Mars/Base' is not a time zone"),
        (
            HEAD + BODY + "[schedule]\nat = 2026-12-01T09:00:00Z\nends_at = 2026-12-01T08:00:00Z\n",
            6,
            "ends_at must be later than at",
        ),
        (
            HEAD + BODY + '[audience]\ndefault_country = "Atlantis"\n',
            7,
            "'Atlantis' is not a country; write its two letters",
        ),
        (HEAD + BODY + '[audience]\nduplicates = "keep"\n', 7, "input should be 'first', 'last' or 'reject'"),
        (HEAD + BODY + "[audience]\nmax_reject_percent = 120\n", 7, "less than or equal to 100"),
        (HEAD.replace('"shop"', '"depot"') + BODY, 3, "a sender is named twice"),
        (HEAD.replace('["shop", "depot"]', "[]") + BODY, 3, "senders"),
        (
            HEAD.replace("spring-sale", "Spring Sale") + BODY,
            1,
            "name: use lower-case letters, digits, - and _, such as spring-sale, not 'Spring Sale'.",
        ),
        (
            'category = "promo"\n' + HEAD + BODY,
            1,
            "category: input should be 'marketing', 'utility', 'authentication', 'service' or 'auto', not 'promo'.",
        ),
        (HEAD + "[content]\n", 4, "there is nothing to send"),
        (HEAD + '[content]\ntext = "  "\n', 4, "there is nothing to send"),
        (HEAD + '[content]\nimages = [{ url = "ftp://x/a.png" }]\n', 5, "an address starts with https://"),
        (
            HEAD + '[content]\nvideo = { url = "https://x/a" }\naudio = { url = "https://x/b" }\n',
            4,
            "a message has one kind, but this one has video and audio",
        ),
        (
            HEAD + '[content]\ntext = "a"\nvideo = { url = "https://x/a", caption = "b" }\n',
            4,
            "the caption is given twice",
        ),
        (
            HEAD + '[content]\ntext = "a"\naudio = { url = "https://x/a" }\n',
            4,
            "an audio message has no caption",
        ),
        (HEAD + '[content]\nimages = [{ alt = "a" }]\n', 5, "images[0]: give either its url"),
        (
            HEAD + '[content]\ndocument = { url = "https://x/a", id = "1" }\n',
            5,
            "content.document: give either its url, its id at the provider, or a file",
        ),
        (HEAD + '[content]\ntext = "a"\nfooter = "b"\n', 4, "a footer needs buttons, a list, a flow"),
        (HEAD + '[content]\ntext = "a"\nheader = "b"\n', 4, "a header needs buttons"),
        (
            HEAD + '[content]\nimages = [{ id = "1" }]\nheader = "b"\n',
            4,
            "with buttons, the media file itself is the header",
        ),
        (
            HEAD + '[content]\ntext = "a"\nheader = "b"\n[content.list]\nbutton = "c"\n'
            'sections = [{ rows = [{ id = "1", title = "d" }] }]\n',
            4,
            "write it as list.title",
        ),
        (HEAD + '[content]\nvideo = { id = "1", voice = true }\n', 5, "content.video.voice is not known"),
        (
            HEAD + '[content.template]\nname = "a"\nheader = { name = "b", image = { id = "1" } }\n',
            6,
            "only the variable of a header's text has a name",
        ),
        (HEAD + '[content]\ntext = "a\n', 5, "is not valid TOML"),
        (
            HEAD + "[[content.images]]\nurl = 'https://x/a'\n[[content.images]]\nulr = 'b'\n",
            7,
            "images[1].ulr",
        ),
    ],
)
def test_a_mistake_is_named_with_file_line_and_key(file: Path, text: str, line: int, says: str) -> None:
    message = str(refusal(file, text))
    assert says in message
    assert message.startswith("spring.toml")
    assert f"line {line}" in message


def test_a_list_in_place_of_the_campaign_file_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("phone\n")
    with pytest.raises(SpecError, match=r"people\.csv is a list, not a campaign file") as found:
        load_spec(tmp_path / "people.csv")
    assert "campaign load SPEC --csv" in found.value.hint


def test_all_mistakes_are_reported_at_once(file: Path) -> None:
    message = str(refusal(file, 'nme = "a"\n[content]\ntext = 3\n'))
    assert len(message.splitlines()) == 5
    assert "name is missing" in message


def test_a_line_inside_a_text_is_not_taken_for_a_key(file: Path) -> None:
    text = HEAD + '[content]\ntext = """\nrate = no key\n[pace]\n"""\n[pace]\nrate = "x"\n'
    assert "line 10: pace.rate" in str(refusal(file, text))


def test_a_missing_file_a_folder_and_bytes_have_different_errors(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"There is no file .*nowhere\.toml"):
        load_spec(tmp_path / "nowhere.toml")
    with pytest.raises(SpecError, match="is a folder"):
        load_spec(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(SpecError, match="is not UTF-8"):
        load_spec(tmp_path / "latin.toml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a = " + "[" * 5_000, "nested too deeply"),
        ("a." * 3_000 + "a = 1", "nested too deeply"),
        ("a = " + "9" * 5_000, "a number that is too long"),
        ("# " + "x" * (17 << 20), "is larger than 16 MiB"),
    ],
)
def test_a_file_that_would_fill_the_memory_is_a_sentence(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "huge.toml").write_text(text)
    with pytest.raises(SpecError, match=says):
        load_spec(tmp_path / "huge.toml")


def test_a_device_is_no_campaign_file() -> None:
    with pytest.raises(SpecError, match="is a device, not a file"):
        load_spec(Path("/dev/zero"))


@pytest.mark.parametrize(
    ("at", "zone", "instant"),
    [
        ("2026-12-01T09:00", "Africa/Porto-Novo", "2026-12-01T08:00:00+00:00"),
        ("2026-12-01T09:00+05:30", "Europe/Paris", "2026-12-01T03:30:00+00:00"),
        ("2026-03-29T02:30", "Europe/Paris", "2026-03-29T01:00:00+00:00"),  # skipped: 02:00 becomes 03:00
        ("2026-10-25T02:30", "Europe/Paris", "2026-10-25T00:30:00+00:00"),  # twice: the first
        ("2026-10-04T02:15", "Australia/Lord_Howe", "2026-10-03T15:30:00+00:00"),  # a gap of half an hour
        ("2011-12-30T12:00", "Pacific/Apia", "2011-12-30T10:00:00+00:00"),  # a day that was skipped whole
        (
            "2026-03-08T02:00",
            "America/New_York",
            "2026-03-08T07:00:00+00:00",
        ),  # the very first moment of a gap
    ],
)
def test_a_written_time_is_one_instant(file: Path, at: str, zone: str, instant: str) -> None:
    spec = accepted(file, HEAD + BODY + f'[schedule]\nat = "{at}"\ntimezone = "{zone}"\n')
    assert spec.schedule.start_at == datetime.fromisoformat(instant)


def test_the_deadline_is_the_sooner_of_both_limits(file: Path) -> None:
    start = datetime(2026, 12, 1, 9, tzinfo=UTC)
    both = accepted(file, HEAD + BODY + '[schedule]\nends_at = 2026-12-01T10:00:00Z\nexpires_after = "12h"\n')
    assert both.schedule.deadline(start) == datetime(2026, 12, 1, 10, tzinfo=UTC)
    one = accepted(file, HEAD + BODY + '[schedule]\nexpires_after = "12h"\n')
    assert one.schedule.deadline(start) == datetime(2026, 12, 1, 21, tzinfo=UTC)
    assert accepted(file, HEAD + BODY).schedule.deadline(start) is None


def test_flags_replace_keys_and_are_checked_as_well(file: Path) -> None:
    spec = accepted(file, HEAD + BODY)
    changed = spec.changed(audience={"default_country": "fr"}, schedule={"at": "2026-12-01T09:00Z"})
    assert changed.audience.default_country == "FR"
    assert changed.schedule.start_at == datetime(2026, 12, 1, 9, tzinfo=UTC)
    with pytest.raises(SpecError, match="has no time zone"):
        spec.changed(schedule={"at": "2026-12-01T09:00"})
