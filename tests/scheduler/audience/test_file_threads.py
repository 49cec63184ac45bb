"""Files are read in threads that a stop leaves to themselves."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from scheduler.audience.file_threads import in_thread


async def test_a_thread_finds_the_temporary_folder_already_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trying it writes a file there, which a thread that ends in between would leave."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert await in_thread(lambda: tempfile.tempdir, 10) == str(tmp_path)
