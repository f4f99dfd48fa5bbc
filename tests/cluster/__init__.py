"""Several servers with programs around them: PgBouncer, HAProxy, an earlier release. Run by `make cluster`."""
