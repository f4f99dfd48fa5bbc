"""Mails: what is waiting to be sent, how it reads, and who sends it."""
