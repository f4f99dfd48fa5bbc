"""Why an administrator acts: words in one line, kept with the event."""

LONGEST_REASON = 500


def one_line(typed: str) -> str | None:
    """The reason without blanks around it; None where it is empty, too long, or more than a line that can be shown."""
    reason = typed.strip()
    return reason if 0 < len(reason) <= LONGEST_REASON and reason.isprintable() else None
