"""Whether an answer's time tells if an account exists: `python -m tests.timing`."""
