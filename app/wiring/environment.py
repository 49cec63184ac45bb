"""The settings that environment variables give: DRUMBEAT_TABLE__KEY, or a whole table or list as JSON."""

from __future__ import annotations

import os
import re
from typing import Any, Final

from pydantic import BaseModel

from campaigns.errors import SpecError

PREFIX: Final = "DRUMBEAT_"


def from_environment(model: type[BaseModel]) -> dict[str, Any]:
    """What variables set of the model. Raises SpecError. Where there are none, the library that reads them is not
    loaded: that takes a tenth of a short command's time."""
    tables = tuple(f"{PREFIX}{name}".upper() for name in model.model_fields)
    if not any(name.upper().startswith(tables) for name in os.environ):
        return {}
    from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsError

    settings = type("Environment", (model, BaseSettings), {})
    source = EnvSettingsSource(settings, env_prefix=PREFIX, env_nested_delimiter="__")
    try:
        return source()
    except SettingsError as error:
        # What it was raised from holds the value, which may be a secret.
        named = re.search(r'field "(\w+)"', str(error))
        variable = f"{PREFIX}{named[1]}".upper() if named else f"A {PREFIX} variable"
        raise SpecError(
            f"{variable} is not JSON, as a whole table or list must be.",
            hint=f"One key alone is set as {PREFIX}TABLE__KEY, for example {PREFIX}DATABASE__URL.",
        ) from None
