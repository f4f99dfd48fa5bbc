"""How many guesses get through, and how long the owner waits: `python -m tests.guessing`."""
