"""Transfers: a user's account moves to another address."""
