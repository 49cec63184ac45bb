"""Values as JSON text, the same for the command line and the API."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

from campaigns.money.costs import plain
from campaigns.visible_text import visible_json


def to_json(value: Any, indent: int | None = None) -> str:
    return visible_json(json.dumps(value, default=_plain_value, ensure_ascii=False, indent=indent))


def _plain_value(value: Any) -> Any:
    match value:
        case Decimal():
            return plain(value)
        case datetime():
            return value.isoformat()
        case Enum():
            return value.value
        case Path():
            return str(value)
        case _ if is_dataclass(value) and not isinstance(value, type):
            return asdict(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no JSON form")
