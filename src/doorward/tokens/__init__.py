"""Signed tokens (RFC 7519) and the keys that sign them."""
