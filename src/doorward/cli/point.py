"""One thing that `doorward check` looked at."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failed"]


@dataclass(frozen=True)
class Point:
    """What was found; `mend` says what to do about it."""

    name: str
    state: State
    found: str
    mend: str = ""
