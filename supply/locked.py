"""The packages of a lock."""

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
"""What an installation for production holds beside Doorward's own package."""

_ENTRY = re.compile(r"^(?P<asked>\w\S*==.*?) \\\n(?P<hashes>(?:    --hash=.*\n)+)(?P<via>(?:    #.*\n)+)", re.MULTILINE)
_SELF = "doorward"


@dataclass(frozen=True)
class Locked:
    """One package at its version, the SHA-256 digests of its distributions in hex, and which packages ask for it."""

    name: str
    version: str
    digests: tuple[str, ...]
    asked_by: tuple[str, ...]


def locked(lock: Path = LOCK) -> list[Locked]:
    """Those that are installed on this platform, by name."""
    found = []
    for entry in _ENTRY.finditer(lock.read_text("utf-8")):
        requirement = Requirement(entry["asked"])
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        (version,) = requirement.specifier
        digests = re.findall(r"sha256:([0-9a-f]{64})", entry["hashes"])
        found.append(Locked(requirement.name, version.version, tuple(digests), _askers(entry["via"])))
    return found


def _askers(via: str) -> tuple[str, ...]:
    """The names in the comment that follows an entry, such as `# via doorward (pyproject.toml)`."""
    words = re.sub(r"^    # +(via +)?", "", via, flags=re.MULTILINE).splitlines()
    names = {_SELF if word.startswith(_SELF) else word for word in words if word not in {"", "# via"}}
    return tuple(sorted(name for name in names if not name.startswith(("-c ", "#"))))
