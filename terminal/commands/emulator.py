"""`drumbeat emulator`: a strict imitation of the providers on this machine, for tests and trials."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import click

from terminal.commands.options import PORT

T = TypeVar("T")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option(
    "--port", type=PORT, metavar="PORT", default=8899, show_default=True, help="0 takes a free port."
)
@click.option("--settings", default="{}", help="Options as a JSON object, such as '{\"read_percent\": 50}'.")
@click.option(
    "--faults", default="[]", help='Faults as a JSON list, such as \'[{"kind": "429", "times": 3}]\'.'
)
@click.option(
    "--port-file", type=click.Path(path_type=Path), help="Write the port number to this file once it answers."
)
def emulator(host: str, port: int, settings: str, faults: str, port_file: Path | None) -> None:
    """Serve a strict imitation of the providers on this machine.

    Ctrl-C stops it. The key is test-key. GET /_ledger shows what each recipient received.
    """
    from app.wiring.output_files import write_port_file
    from campaigns.errors import UsageError
    from emulators.serve import run
    from emulators.settings import Settings
    from terminal.output import print_note

    def ready(bound: int) -> None:
        if port_file is not None:
            write_port_file(port_file, bound)
        print_note(
            f"Serving on http://{host}:{bound} (key: test-key). Received messages: http://{host}:{bound}/_ledger"
        )

    try:
        options = _json_of("--settings", settings, dict)
        chosen = Settings.parse(
            {**options, "faults": [*options.get("faults", []), *_json_of("--faults", faults, list)]}
        )
        run(host, port, chosen, ready=ready)
    except ValueError as error:
        raise UsageError(f"{error}.") from error
    except OSError as error:
        raise UsageError(
            f"Port {port} of {host} cannot be used: {error.strerror}.", hint="--port 0"
        ) from error


def _json_of(option: str, text: str, kind: type[T]) -> T:
    import json

    try:
        value = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{option} is not JSON: {error}") from error
    if not isinstance(value, kind):
        raise ValueError(f"{option} must be a JSON {'object' if kind is dict else 'list'}")
    return value
