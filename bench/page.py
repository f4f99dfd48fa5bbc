"""What a benchmark writes into a page of the documentation, between two markers."""

from collections.abc import Sequence
from pathlib import Path

from bench.servers import ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
TRACING = ROOT / "docs" / "tracing.md"
SCALE = ROOT / "docs" / "scale.md"
TIMING = ROOT / "docs" / "security" / "timing.md"
PLOTS = ROOT / "docs" / "benchmarks"


def filled(text: str, name: str, content: str) -> str:
    """The page with the content in the place of what is between the markers of that name.

    Raises ValueError when the page lacks one of them.
    """
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the page has no markers for {name}: {begin.strip()} and {end}")
    return f"{before}{begin}\n{content.strip()}\n\n{end}{after}"


def fill(name: str, content: str, page: Path = PAGE) -> None:
    """Put the content into the page."""
    page.write_text(filled(page.read_text("utf-8"), name, content), "utf-8")


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """A table; all columns but the first `words` hold figures."""
    rule = ["---" if column < words else "---:" for column in range(len(head))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))
