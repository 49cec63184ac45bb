"""The files of a new project: settings with every key explained, and a campaign small enough to read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from campaigns.atomic_files import whole_file
from campaigns.errors import UsageError

SETTINGS: Final = """\
# Drumbeat's settings. Every key can also come from the environment: DRUMBEAT_DATABASE__URL=…

[database]
url = "sqlite:///drumbeat.db"             # or postgresql://user@host/name, for several machines

[providers.ourvoice]                      # an account; campaigns call it by this name
adapter = "ourvoice"                      # drumbeat provider list shows all
api_key = "env:OURVOICE_API_KEY"          # env:NAME or file:PATH, never the key itself
# base_url = "http://127.0.0.1:8899/ourvoice"   # for trials: drumbeat emulator, with the key test-key
# rate = "20/s"                           # the account may do no more than this
# currency = "XOF"                        # what the account is billed in; its answers do not include it
# price = "10 XOF"                        # what each message costs, for estimates and budgets

[[providers.ourvoice.senders]]            # one phone; recipients are spread over a campaign's senders
name = "shop"
session_id = "a3f1b2c4-1234-4abc-9def-000011112222"   # drumbeat session create gives you yours
# number = "+2290197000000"
# rate = "2/s"
"""

CAMPAIGN: Final = """\
# A campaign. drumbeat campaign check hello.toml writes nothing and shows what would happen.

name = "hello"
provider = "ourvoice"                     # the NAME of [providers.NAME] in drumbeat.toml
senders = ["shop"]
category = "marketing"                    # marketing, utility, authentication or service

[audience]
csv = "hello.csv"                         # beside this file
default_country = "GB"                    # for numbers without +

[content]
text = "Hello {{ first_name }}, this is your first Drumbeat campaign."

[content.defaults]
first_name = "there"                      # where the cell is blank

[schedule]
timezone = "Europe/London"
# at = "2026-12-01T09:00"                 # or: drumbeat campaign load hello.toml --now
expires_after = "12h"                     # not sent by then: not sent at all

[pace]
delay_between = 500                       # milliseconds between two messages of one sender
"""

RECIPIENTS: Final = """\
phone,first_name
+447700900001,Ada
07700 900002,Grace
+447700900003,
"""
"""Numbers that Ofcom reserves for fiction."""

FILES: Final = {"drumbeat.toml": SETTINGS, "hello.toml": CAMPAIGN, "hello.csv": RECIPIENTS}


def write_starter(folder: Path) -> list[Path]:
    """The paths written. Raises UsageError, with nothing written, if one of them already exists."""
    paths = {folder / name: text for name, text in FILES.items()}
    there = [path for path in paths if os.path.lexists(path)]
    if there:
        raise UsageError(
            f"{there[0]} already exists; nothing was written.", hint="drumbeat init --dir new-folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in paths.items():
        with whole_file(path) as file:
            file.write(text)
    return list(paths)
