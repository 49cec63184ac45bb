"""One campaign for each provider at once: real commands, the emulators in processes of their own, every fault on."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from click.testing import CliRunner

from cli import cli
from tests.support.campaigns import phone
from tests.support.emulator import Emulator
from tests.support.project import KEY, Done, start

SECRET: Final = "hush-7"
ENVIRONMENT: Final = {"OURVOICE_API_KEY": KEY, "HOOK_SECRET": SECRET}
MAGIC: Final = range(901, 909)
"""Numbers that the emulators treat in ways of their own: see `emulators.outcomes`."""
PEOPLE: Final = [phone(number) for number in (*range(96), *MAGIC)]
WRITERS: Final = PEOPLE[::2]
"""Those who wrote to us before: their windows are open."""
REJECTED: Final = 2
TEMPLATE: Final = 'name = "spring_sale"\nlanguage = "en"\nparameters = ["{{ first_name }}"]'
WAY: Final = {"delay": 0.3, "duplicate": 0.1, "reorder": 0.2}
"""What happens to the webhooks on their way."""
FAULTS: Final[Sequence[dict[str, Any]]] = (
    {"kind": "latency", "method": "POST", "probability": 0.2, "seconds": [0.01, 0.2]},
    {"kind": "429", "method": "POST", "probability": 0.06, "times": 2, "retry_after": 1},
    *(
        {"kind": kind, "method": "POST", "probability": 0.03, "times": 3}
        for kind in ("500", "500_after", "503", "reset_before", "reset_after", "close_after", "half_answer")
    ),
    *(
        {"kind": kind, "method": "GET", "probability": 0.05, "times": 1}
        for kind in ("429", "503", "reset_before")
    ),
)


@dataclass(frozen=True)
class Account:
    """An account of drumbeat.toml, and where the emulator keeps what it was sent."""

    name: str
    adapter: str
    keys: str
    """TOML: the account's own keys; {url} is the emulator's address."""
    sender: str
    """TOML: the sender's own keys."""
    session: str
    """The sender's name in the emulator's ledger."""
    template: str | None = TEMPLATE
    """TOML: the [content.template], where there are templates."""
    hears: bool = True
    """Whether it has webhooks."""
    certain: bool = True
    """Whether a message that arrived is always known in the end: by look-up, by a repeated question or by our
    reference."""
    settles: bool = True
    """Whether one that did not arrive is known too, so that nothing stays in doubt."""

    def settings(self, url: str) -> str:
        secret = "app_secret" if self.adapter == "meta" else "webhook_secret"
        hook = f'{secret} = "env:HOOK_SECRET"\n' if self.hears else ""
        return (
            f'[providers.{self.name}]\nadapter = "{self.adapter}"\napi_key = "env:OURVOICE_API_KEY"\n'
            f'timeout = "10s"\nsettle_after = "3s"\n{hook}{self.keys.format(url=url)}\n'
            f'[[providers.{self.name}.senders]]\nname = "shop"\nrate = "500/s"\n{self.sender}\n'
        )

    def campaign(self) -> str:
        template = f"[content.template]\n{self.template}\n" if self.template else ""
        return (
            f'name = "mixed-{self.name}"\nprovider = "{self.name}"\nsenders = ["shop"]\n'
            '[audience]\ncsv = "people.csv"\n[content]\ntext = "Hi {{ first_name }}"\n'
            f"{template}[pace]\ndelay_between = 0\n"
        )


BIRD: Final = """\
name = "order_shipped"
project_id = "3c90c3cc-0d44-4b50-8888-8dd257360521"
version = "3c90c3cc-0d44-4b50-8888-8dd257360522"
parameters = { order_id = "{{ first_name }}" }"""
ACCOUNTS: Final = (
    Account(
        "ourvoice",
        "ourvoice",
        'base_url = "{url}/ourvoice"\ncurrency = "XOF"',
        'session_id = "a3f1b2c4-1234-4abc-9def-000011112222"',
        "a3f1b2c4-1234-4abc-9def-000011112222",
        template=None,
        hears=False,
    ),
    Account(
        "bird",
        "bird",
        'base_url = "{url}/bird"\nworkspace_id = "0a5c7a3e-1111-4c7e-9d4b-5d2f1c000001"',
        'channel_id = "0a5c7a3e-2222-4c7e-9d4b-5d2f1c000002"',
        "0a5c7a3e-2222-4c7e-9d4b-5d2f1c000002",
        template=BIRD,
    ),
    Account(
        "messaging_api",
        "messaging_api",
        'base_url = "{url}/messaging_api"',
        'business_whatsapp_number_id = "f0e1d2c3-1234-4abc-9def-000011113333"',
        "f0e1d2c3-1234-4abc-9def-000011113333",
        template='key = "order_shipped"\nparameters = { order_id = "{{ first_name }}" }',
        hears=False,
    ),
    Account(
        "kapso",
        "kapso",
        'base_url = "{url}/kapso/meta/whatsapp/v24.0"\napi = "current"',
        'phone_number_id = "123456789012345"',
        "123456789012345",
        settles=False,
    ),
    Account(
        "meta",
        "meta",
        'base_url = "{url}/meta/v24.0"',
        'phone_number_id = "106540352242922"',
        "106540352242922",
        settles=False,
    ),
    Account(
        "voicebip",
        "voicebip",
        'base_url = "{url}/voicebip"',
        'agent_id = "agt_PAEZ_njcfm2kycpjs"\nnumber = "+447700900100"',
        "+447700900100",
        certain=False,
        settles=False,
    ),
)
LEGACY: Final = Account(
    "kapso-legacy",
    "kapso",
    'base_url = "{url}/kapso/api/v1"\napi = "legacy"',
    'whatsapp_config_id = "4a5b6c7d-8e9f-4a1b-8c3d-4e5f6a7b8c9d"\nphone_number_id = "123456789012345"',
    "123456789012345",
    settles=False,
)
"""Another project at Kapso, so that each project has one webhook address: it wants an emulator of its own."""


class Job(NamedTuple):
    phone: str
    state: str
    reason: str | None
    provider_message_id: str | None
    form: str | None


@dataclass(frozen=True)
class Mixed:
    """The project in its folder, and the emulator of each account."""

    folder: Path
    emulators: dict[Account, Emulator]

    def write(self) -> None:
        settings = [account.settings(emulator.base_url) for account, emulator in self.emulators.items()]
        database = '[database]\nurl = "sqlite:///drumbeat.db"\n'
        (self.folder / "drumbeat.toml").write_text(database + "".join(settings), encoding="utf-8")
        rows = [f"{number},Ada {place}\n" for place, number in enumerate(PEOPLE)]
        people = "phone,first_name\n" + "".join(rows) + "nobody,Mallory\n123,Oscar\n"
        (self.folder / "people.csv").write_text(people, encoding="utf-8")
        for account in self.emulators:
            (self.folder / f"{account.name}.toml").write_text(account.campaign(), encoding="utf-8")

    def command(self, *arguments: str) -> Done:
        """A command in this process: pandas is imported once."""
        with chdir(self.folder):
            result = CliRunner().invoke(cli, arguments)
        assert result.exit_code in (0, 3), f"{arguments}: {result.stderr[-2000:]}"
        return Done(result.exit_code, result.stdout, result.stderr)

    def load(self) -> None:
        for account in self.emulators:
            self.command("campaign", "load", f"{account.name}.toml", "--now", "--json")

    @contextmanager
    def serving(self) -> Iterator[str]:
        """`drumbeat serve` for the block; its address. It must stop cleanly on request."""
        with start(self.folder, "serve", "--port", "0") as process:
            try:
                assert process.stderr is not None
                ready = next(line for line in process.stderr if "http://" in line)
                yield ready.split()[2].rstrip(".")
                process.terminate()
                _, err = process.communicate(timeout=30)
                assert process.returncode in (0, 130), err[-2000:]
                assert "Traceback" not in err
            finally:
                process.kill()

    def subscribe(self, server: str) -> None:
        """Each provider posts its webhooks to us, over a bad way; half of the people write."""
        for account, emulator in self.emulators.items():
            control = f"/{account.adapter}/_control"
            if account.hears:
                hook = {"url": f"{server}/webhooks/{account.name}", "secret": SECRET, **WAY}
                emulator.control("POST", f"{control}/webhook", hook)
            if account.hears or account.adapter == "messaging_api":
                emulator.control("POST", f"{control}/inbound", {"from": WRITERS})
        hearing = sum(account.hears for account in self.emulators)
        wait_for(lambda: self._count_windows() == hearing * len(WRITERS), 20)

    def _count_windows(self) -> int:
        return int(self._rows("SELECT count(*) FROM windows")[0][0])

    def start_all_faults(self) -> None:
        for place, (account, emulator) in enumerate(self.emulators.items()):
            for number, fault in enumerate(FAULTS):
                emulator.fault(**fault, path=f"/{account.adapter}/*", seed=100 * place + number)

    def stop_all_faults(self) -> set[str]:
        """Which kinds of fault have struck; none does any more."""
        struck = set()
        for emulator in set(self.emulators.values()):
            struck |= {fault["kind"] for fault in emulator.faults() if fault["hits"]}
            emulator.clear_faults()
        return struck

    def run(self) -> None:
        process = start(self.folder, "run", "--until-idle", "--wait-receipts", "1s", "--json")
        _, err = process.communicate(timeout=100)
        assert process.returncode in (0, 3), f"exit {process.returncode}\n{err[-3000:]}"

    def jobs(self, account: Account) -> list[Job]:
        query = "SELECT phone, state, reason, provider_message_id, form FROM jobs WHERE lane = ?"
        return [Job(*row) for row in self._rows(query, f"{account.name}/shop")]

    def unknown(self, account: Account) -> int:
        """How many attempts ended without an answer to be trusted."""
        query = "SELECT count(*) FROM attempts WHERE outcome = 'unknown' AND lane = ?"
        return int(self._rows(query, f"{account.name}/shop")[0][0])

    def ledger(self, account: Account) -> list[dict[str, Any]]:
        answer = self.emulators[account].control("GET", f"/_ledger?provider={account.adapter}")
        return [entry for entry in answer["messages"] if entry["session"] == account.session]

    def report(self, account: Account) -> Any:
        return self.command("report", "delivery", f"mixed-{account.name}", "--json").json

    def _rows(self, query: str, *values: str) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self.folder / 'drumbeat.db'}?mode=ro", uri=True)) as database:
            return database.execute(query, values).fetchall()


def wait_for(holds: Callable[[], bool], seconds: float) -> None:
    """Until it holds; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it does not come to that"
        time.sleep(0.05)
