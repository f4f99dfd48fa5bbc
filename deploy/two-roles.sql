-- Doorward on PostgreSQL with two roles: `doorward_owner` migrates, `doorward` serves and may change rows only.
-- Run it as PostgreSQL's administrator in Doorward's database, once the roles are there; docs/operations.md says how.
-- It may be run again, also while servers are running: after the first `doorward migrate` it takes the last right away.
\set ON_ERROR_STOP on
SELECT current_database() AS database, to_regclass('public.alembic_version') IS NOT NULL AS is_migrated \gset
BEGIN;
-- What the serving role owned where it was the only one.
REASSIGN OWNED BY doorward TO doorward_owner;
ALTER DATABASE :"database" OWNER TO doorward_owner;
ALTER SCHEMA public OWNER TO doorward_owner;
-- Nobody else connects, and nobody but the owner makes tables, not even temporary ones, whatever was granted before.
REVOKE ALL ON DATABASE :"database" FROM PUBLIC, doorward;
REVOKE ALL ON SCHEMA public FROM PUBLIC, doorward;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM doorward;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM doorward;
GRANT CONNECT ON DATABASE :"database" TO doorward;
GRANT USAGE ON SCHEMA public TO doorward;
-- The tables that are there, and those that later migrations make.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO doorward;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO doorward;
ALTER DEFAULT PRIVILEGES FOR ROLE doorward_owner IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO doorward;
ALTER DEFAULT PRIVILEGES FOR ROLE doorward_owner IN SCHEMA public GRANT USAGE ON SEQUENCES TO doorward;
\if :is_migrated
REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM doorward;
\endif
COMMIT;
