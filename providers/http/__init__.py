"""All HTTP calls to providers, and whether a request may have been sent. Knows no particular provider."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import cast

# httpx loads its own command line where it can, and with it rich and pygments: as much again as the rest of it.
cast("dict[str, ModuleType | None]", sys.modules).setdefault("httpx._main", None)
