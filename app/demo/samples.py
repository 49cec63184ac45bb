"""Where the files of `sample_data/` are: beside the packages, in a checkout and in a wheel alike."""

from __future__ import annotations

from pathlib import Path

import app
from campaigns.errors import NotFound


def sample(name: str) -> Path:
    """The sample file `name`. Raises NotFound where the installation lacks it."""
    path = Path(app.__file__).resolve().parent.parent / "sample_data" / name
    if not path.is_file():
        raise NotFound(f"This installation has no sample_data/{name}.", hint="Install Drumbeat again.")
    return path
