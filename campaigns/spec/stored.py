"""Campaign files as the database has them: earlier versions may have stored what is no longer loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, TypeVar

from pydantic import ValidationError

from campaigns.message.part import Part

P = TypeVar("P", bound=Part)


def read_stored(part: type[P], data: Mapping[str, Any]) -> P:
    """A table, or all of a campaign file, from its JSON. A count above the bound that counts have had since it was
    stored is that bound, which no campaign reaches. Raises ValidationError."""
    try:
        return part.model_validate(data)
    except ValidationError as error:
        bounded = deepcopy(dict(data))
        for fault in error.errors(include_url=False, include_input=False):
            if fault["type"] != "less_than_equal":
                raise
            _put(bounded, fault["loc"], fault["ctx"]["le"])
        return part.model_validate(bounded)


def _put(data: Any, loc: Sequence[int | str], value: Any) -> None:
    for key in loc[:-1]:
        data = data[key]
    data[loc[-1]] = value
