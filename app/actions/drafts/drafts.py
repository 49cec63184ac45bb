"""Drafts: campaigns that are made in the browser. Each is a folder with a campaign file and its list, as the command
line has them: a draft can be checked and loaded there, and a campaign file can become a draft."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

from app.actions.drafts.quota import refuse_full
from app.wiring.rights import act, current_actor
from app.wiring.settings import Settings
from campaigns.atomic_files import whole_file
from campaigns.bounded_files import read_whole
from campaigns.errors import Fault, InvalidInput, Locked, NotFound, SpecError, UsageError
from campaigns.frozen import frozen
from campaigns.spec.campaign_spec import CampaignSpec, spec_in
from campaigns.spec.toml_edits import edited
from campaigns.spec.toml_files import NAME, Loc, TomlFile, dotted, loc_of, parse_toml

FOLDER: Final = "drafts"
FILE: Final = "campaign.toml"
SIGNED: Final = ".by"
"""The file with the name of who changed the draft last."""
_WORKING: Final = ".list"
"""The folder of working files about its list."""
LONGEST_NAME: Final = 80
LONGEST_FILE_NAME: Final = 200
"""Bytes of a list's name; a file system takes 255, and working files have longer names."""
RESERVED: Final = ("new", "drafts")
"""What follows /campaigns/ in the addresses of pages, as names do."""
_LEFT: Final = 3600
"""Seconds after which nobody works in a working folder any more."""
PATIENCE: Final = 5.0
"""Seconds that a change waits for another one."""
LARGEST_FILE: Final = 1 << 20
"""Bytes of a campaign file."""
_NEW: Final = 'name = "{name}"\n'


class StaleDraft(InvalidInput):
    """The draft was changed meanwhile by another browser or program; nothing was saved."""


@frozen
class Draft:
    """A draft as it is stored at one moment."""

    name: str
    folder: Path
    path: Path
    """Its campaign file."""
    text: str
    digest: str
    """What this text is recognized by: a change that names another digest is refused."""
    data: Mapping[str, Any]
    """The text as TOML; empty if it is none."""
    spec: CampaignSpec | None
    """None: it is incomplete or wrong, see `problem`."""
    problem: SpecError | None
    list_path: Path | None
    """Its list, if it is there."""
    file: TomlFile = field(repr=False)

    @property
    def faults(self) -> Sequence[Fault]:
        """What is wrong or missing, key by key."""
        return self.problem.faults if self.problem else ()


@act("draft.create")
async def create_draft(settings: Settings, name: str, text: str | None = None) -> Draft:
    """A new draft, empty or with this campaign file under the new name. Raises InvalidInput if the name is taken or
    cannot be one, SpecError if the text is no TOML."""
    return await asyncio.to_thread(_create, settings, name, text)


def is_draft(settings: Settings, name: str) -> bool:
    """Whether there is a draft of that name."""
    return is_draft_name(name) and (drafts_folder(settings) / name).is_dir()


async def open_draft(settings: Settings, name: str) -> Draft:
    """Raises NotFound."""
    return await asyncio.to_thread(read_draft, settings, name)


@act("draft.write")
async def save_text(settings: Settings, name: str, text: str, digest: str) -> Draft:
    """Replace the whole campaign file. A draft may be incomplete: its `problem` then says what is missing or wrong.

    Raises SpecError if the text is no TOML, has another name or a list elsewhere, and StaleDraft.
    """

    def write(draft: Draft) -> str:
        file = _parsed(draft.path, text if text.endswith("\n") else f"{text}\n")
        _refuse_misplaced(file, draft)
        return file.text

    return await asyncio.to_thread(_save, settings, name, digest, write)


@act("draft.save")
async def save_section(
    settings: Settings, name: str, changes: Mapping[str | Loc, Any], digest: str | None
) -> Draft:
    """Change some keys, such as `{"content.text": "Hi", "hours": None}`, and keep all else in the file, with its
    comments. None removes a key. A key with a dot in it is given as a tuple. `digest` None: whatever the file is now.

    Raises SpecError whose `faults` name the given keys that are wrong; what is merely missing is saved. Raises
    StaleDraft.
    """
    wanted = {
        loc_of(key) if isinstance(key, str) else key: _with_plain_newlines(value)
        for key, value in changes.items()
    }

    def write(draft: Draft) -> str:
        text = edited(draft.file, wanted)
        file = _parsed(draft.path, text)
        _refuse_misplaced(file, draft)
        _refuse_wrong(file, wanted, draft)
        return text

    return await asyncio.to_thread(_save, settings, name, digest, write)


@act("draft.delete")
async def delete_draft(settings: Settings, name: str, digest: str | None = None) -> None:
    """Delete it with its list. `digest` None: whatever the file is now. Raises NotFound, StaleDraft."""
    await asyncio.to_thread(_delete, settings, name, digest)


def drafts_folder(settings: Settings) -> Path:
    """Beside drumbeat.toml, else beside the database's file, else here."""
    beside = settings.path or settings.sqlite_file
    return (beside.parent if beside else Path.cwd()).absolute() / FOLDER


def read_draft(settings: Settings, name: str) -> Draft:
    """The draft of that name. Raises NotFound."""
    return _read(_folder(settings, name))


def write_section(draft: Draft, changes: Mapping[Loc, Any]) -> Draft:
    """Change some keys of a draft that is `held`, unasked whether they are right."""
    return _write(draft, edited(draft.file, changes))


def _read(folder: Path) -> Draft:
    name, path = folder.name, folder / FILE
    if folder.is_symlink() or path.is_symlink() or not path.is_file():
        raise NotFound(f"There is no draft {name[:LONGEST_NAME]!r}.")
    _refuse_links(folder)
    content = read_whole(path)
    digest = hashlib.sha256(content).hexdigest()
    text = content.decode("utf-8", "replace")
    try:
        file = parse_toml(path, content)
    except SpecError as error:
        return Draft(name, folder, path, text, digest, {}, None, error, None, TomlFile(path, text, {}))
    spec, problem = None, None
    try:
        refuse_list_elsewhere(file)
        spec = spec_in(file)
    except SpecError as error:
        problem = error
    return Draft(name, folder, path, text, digest, file.data, spec, problem, _list_of(file), file)


def _refuse_links(folder: Path) -> None:
    """Raise NotFound if a working file of the draft is a link, which may lead anywhere, or a pipe or device."""
    for within, names in ((folder, (SIGNED, _WORKING)), (folder / _WORKING, None)):
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(within) as entries:
            for entry in entries:
                is_plain = entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)
                if not is_plain and (names is None or entry.name in names):
                    place = Path(entry.path).relative_to(folder.parent)
                    raise NotFound(
                        f"The draft {folder.name!r} cannot be opened: {place} is a link, or no file.",
                        hint="Delete it in the folder of drafts.",
                    )


def _folder(settings: Settings, name: str) -> Path:
    if not is_draft_name(name):
        raise NotFound(f"There is no draft {name[:LONGEST_NAME]!r}.")
    return drafts_folder(settings) / name


def is_draft_name(name: str) -> bool:
    """Whether a campaign, and so a draft, may be called that."""
    return bool(re.fullmatch(NAME, name)) and len(name) <= LONGEST_NAME


@asynccontextmanager
async def held_draft(settings: Settings, name: str) -> AsyncIterator[Draft]:
    """The draft, which nobody changes meanwhile; what changes it may not be called within. Raises NotFound, Locked."""
    with ExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, held(_folder(settings, name)))
        yield await open_draft(settings, name)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Only one process and thread changes a draft at a time. Raises NotFound without such a folder, Locked after
    PATIENCE: a load may take minutes."""
    try:
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise NotFound(f"There is no draft {folder.name[:LONGEST_NAME]!r}.") from error
    try:
        _lock(number, folder.name)
        yield
    finally:
        os.close(number)


def _lock(number: int, name: str) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= until:
                raise Locked(
                    f"{name} is being loaded or changed, so it was not changed here.",
                    hint="Repeat it in a moment.",
                ) from error
            time.sleep(0.02)


def refuse_list_elsewhere(file: TomlFile) -> None:
    """Raise SpecError unless the list is a file in the draft's own folder: a page shows its cells."""
    audience = file.data.get("audience")
    csv = audience.get("csv") if isinstance(audience, dict) else None
    if csv is None or not isinstance(csv, str):
        return
    if not is_file_name(csv) or (file.path.parent / csv).is_symlink():
        raise file.error(
            ("audience", "csv"),
            "audience.csv: the list of a draft is a file in its own folder.",
            hint='Upload the list in the first step, or write its name alone: csv = "people.csv".',
        )


def is_file_name(name: str) -> bool:
    """Whether it names a file in a folder, and none of our own."""
    is_plain = name == Path(name).name and "\0" not in name and not name.startswith(".")
    return is_plain and len(name.encode()) <= LONGEST_FILE_NAME and name.lower() != FILE


def _create(settings: Settings, name: str, text: str | None) -> Draft:
    _refuse_name(name)
    place = drafts_folder(settings) / name
    file = _parsed(place / FILE, _NEW.format(name=name) if text is None else text)
    text = edited(file, {("name",): name, **_own_list(file)})
    refuse_full(settings.drafts, place, len(text))
    new = _new_folder(place.parent)
    try:
        with whole_file(new / FILE) as written:
            written.write(text)
        _sign(new)
        new.rename(place)
    except OSError as error:
        raise InvalidInput(f"There is a draft {name!r} already.", hint="Choose another name.") from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return read_draft(settings, name)


def _new_folder(within: Path) -> Path:
    """A private folder that is no draft yet."""
    try:
        within.mkdir(mode=0o700, parents=True, exist_ok=True)
        sweep(within)
        return Path(mkdtemp(prefix=".new-", dir=within))
    except OSError as error:
        raise UsageError(f"{within} cannot be written: {error.strerror}.") from error


def sweep(folder: Path) -> None:
    """Delete working folders that a process left there when it was killed. No draft's name begins with a dot."""
    for prefix in (".new-", ".gone-", ".in-", ".check-"):
        for left in folder.glob(f"{prefix}*"):
            with suppress(FileNotFoundError):  # its upload has just ended
                if left.is_dir() and left.stat().st_mtime < time.time() - _LEFT:
                    shutil.rmtree(left, ignore_errors=True)


def _refuse_name(name: str) -> None:
    if name in RESERVED:
        raise InvalidInput(f"{name!r} is the name of a page.", hint="Choose another name.")
    if not is_draft_name(name):
        plain = re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-_")[:LONGEST_NAME]
        raise InvalidInput(
            f"{name[:LONGEST_NAME]!r} cannot be a campaign's name.",
            hint="Use up to 80 lower-case letters, digits, - and _, beginning with a letter or a digit"
            + (f", such as {plain}." if plain else "."),
        )


def _own_list(file: TomlFile) -> dict[Loc, Any]:
    """Of a campaign file from elsewhere only the name of its list, which is still to be uploaded."""
    audience = file.data.get("audience")
    csv = audience.get("csv") if isinstance(audience, dict) else None
    if not isinstance(csv, str):
        return {}
    name = re.split(r"[/\\]", csv)[-1]
    return {("audience", "csv"): name if is_file_name(name) else None}


def _save(settings: Settings, name: str, digest: str | None, write: Callable[[Draft], str]) -> Draft:
    with held(_folder(settings, name)):
        draft = read_draft(settings, name)
        _refuse_stale(draft, digest)
        text = write(draft)
        refuse_full(settings.drafts, draft.folder, len(text) - len(draft.text))
        return _write(draft, text)


def _refuse_stale(draft: Draft, digest: str | None) -> None:
    if digest is not None and digest != draft.digest:
        raise StaleDraft(hint="Open the page again, and repeat the change.")


def _write(draft: Draft, text: str) -> Draft:
    if text != draft.text:
        with whole_file(draft.path, replace=True) as file:
            file.write(text)
        _sign(draft.folder)
    return _read(draft.folder)


def _sign(folder: Path) -> None:
    """Keep who changed it last."""
    with whole_file(folder / SIGNED, replace=True) as file:
        file.write(current_actor().name)


def _delete(settings: Settings, name: str, digest: str | None) -> None:
    with held(_folder(settings, name)):
        draft = read_draft(settings, name)
        _refuse_stale(draft, digest)
        gone = _new_folder(draft.folder.parent)
        draft.folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _parsed(path: Path, text: str) -> TomlFile:
    content = text.encode("utf-8", "replace")
    if len(content) > LARGEST_FILE:
        raise SpecError(
            f"The campaign file is larger than {LARGEST_FILE >> 20} MiB.", hint="Upload the list by itself."
        )
    return parse_toml(path, content)


def _refuse_misplaced(file: TomlFile, draft: Draft) -> None:
    """Raise SpecError if the file has another campaign's name, or its list elsewhere."""
    if file.data.get("name") != draft.name:
        raise file.error(
            ("name",),
            f"name: a draft keeps its name, {draft.name!r}.",
            hint="To use another name, make a new draft from this file.",
        )
    refuse_list_elsewhere(file)


def _refuse_wrong(file: TomlFile, changed: Mapping[Loc, Any], draft: Draft) -> None:
    """Raise SpecError if a changed key is now wrong, and was not before; what is missing may come later."""
    try:
        spec_in(file)
    except SpecError as error:
        new = [fault for fault in error.faults if not fault.missing and fault not in draft.faults]
        found = [fault for fault in new if any(_concerns(fault.key, key) for key in changed)]
        if found:
            message = "\n".join(fault.message for fault in found)
            raise SpecError(message, hint=error.hint, faults=found) from error


def _concerns(one: Loc, other: Loc) -> bool:
    """Whether one key is the other, or a table around it."""
    return all(ours == theirs for ours, theirs in zip(one, other, strict=False))


def _list_of(file: TomlFile) -> Path | None:
    audience = file.data.get("audience")
    csv = audience.get("csv") if isinstance(audience, dict) else None
    if not isinstance(csv, str) or not is_file_name(csv):
        return None
    path = file.path.parent / csv
    return path if path.is_file() and not path.is_symlink() else None


def _with_plain_newlines(value: Any) -> Any:
    """A form sends a text's lines as Windows does."""
    if isinstance(value, str):
        return value.replace("\r\n", "\n").replace("\r", "\n")
    if isinstance(value, dict):
        return {key: _with_plain_newlines(inner) for key, inner in value.items()}
    return list(map(_with_plain_newlines, value)) if isinstance(value, (list, tuple)) else value


def fault_at(fault: Fault) -> tuple[str, str]:
    """The dotted key of the fault, and what to say beside its field."""
    key = dotted(fault.key)
    message = fault.message.removeprefix(f"{key}: ")
    return key, message[:1].upper() + message[1:]
