"""How a command fails: one line that says what to do, and exit code 1."""


class Failure(Exception):
    """The command was refused or failed; the message is the one line."""
