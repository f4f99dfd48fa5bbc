"""Accounts as an administrator sees them: create, invite, import, disable, delete."""
