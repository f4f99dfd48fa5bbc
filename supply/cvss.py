"""How severe a hole is by its CVSS vector, version 3.0 or 3.1: https://www.first.org/cvss/v3.1/specification-document.

Only the base metrics count: what time and place make of them is not in the vectors of a database of holes.
"""

from typing import Literal

Severity = Literal["critical", "high", "moderate", "low"]

_WEIGHTS = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "UI": {"N": 0.85, "R": 0.62},
    **{metric: {"H": 0.56, "L": 0.22, "N": 0.0} for metric in "CIA"},
}
_PRIVILEGES = {"U": {"N": 0.85, "L": 0.62, "H": 0.27}, "C": {"N": 0.85, "L": 0.68, "H": 0.5}}
_VERSIONS = ("CVSS:3.0", "CVSS:3.1")
_FROM: tuple[tuple[float, Severity], ...] = ((9.0, "critical"), (7.0, "high"), (4.0, "moderate"))


def base_score(vector: str) -> float:
    """From 0 to 10 (section 7.1). Raises ValueError for what is no vector of version 3."""
    version, *pairs = vector.split("/")
    given = dict(pair.split(":", 1) for pair in pairs if ":" in pair)
    if version not in _VERSIONS:
        raise ValueError(f"no CVSS vector of version 3: {vector!r}")
    try:
        scope = given["S"]
        weight = {metric: values[given[metric]] for metric, values in _WEIGHTS.items()}
        weight["PR"] = _PRIVILEGES[scope][given["PR"]]
    except KeyError as error:
        raise ValueError(f"no whole CVSS vector: {vector!r}") from error
    lost = 1 - (1 - weight["C"]) * (1 - weight["I"]) * (1 - weight["A"])
    changed = scope == "C"
    impact = 7.52 * (lost - 0.029) - 3.25 * (lost - 0.02) ** 15 if changed else 6.42 * lost
    if impact <= 0:
        return 0.0
    exploitability = 8.22 * weight["AV"] * weight["AC"] * weight["PR"] * weight["UI"]
    return _rounded_up(min((1.08 if changed else 1) * (impact + exploitability), 10))


def severity_of(score: float) -> Severity:
    """By the scale of section 5; what has no severity at all is low here."""
    return next((severity for least, severity in _FROM if score >= least), "low")


def _rounded_up(score: float) -> float:
    """To one digit, as appendix A has it: by whole numbers, so that all computers agree."""
    whole = round(score * 100_000)
    return whole / 100_000 if whole % 10_000 == 0 else (whole // 10_000 + 1) / 10
