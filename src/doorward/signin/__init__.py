"""Signing in: the password, then the second factor where there is one."""
