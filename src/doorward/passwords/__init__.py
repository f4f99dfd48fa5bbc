"""Passwords: their rules, the waits between guesses, change and reset."""
