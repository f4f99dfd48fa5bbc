"""Several servers with programs around them: PgBouncer, HAProxy, a second PostgreSQL. Run by `make cluster`."""
