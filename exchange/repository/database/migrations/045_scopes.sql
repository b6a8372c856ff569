-- The scopes of an access token, beside what its viewer may see: one more policy on everything that is read.
-- `exchange.scope` is unset when the token reaches every type, else {"Type": true | [[[[key, system], …], …], …]}:
-- of a type one group of criteria must hold, of a group every criterion, of a criterion one token. `*` stands for
-- the types that are not named; a type that is missing is not reached.

CREATE FUNCTION current_scope() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('exchange.scope', true), '');

CREATE FUNCTION in_scope(given_type text, given_rid bigint) RETURNS bool
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    scope jsonb := current_scope()::jsonb;
    reached jsonb := coalesce(scope -> given_type, scope -> '*');
BEGIN
    IF scope IS NULL OR reached = 'true'::jsonb THEN
        RETURN true;
    END IF;
    RETURN reached IS NOT NULL AND EXISTS (
        SELECT FROM jsonb_array_elements(reached) AS one (criteria)
        WHERE NOT EXISTS (
            SELECT FROM jsonb_array_elements(one.criteria) AS each (tokens)
            WHERE NOT EXISTS (
                SELECT FROM jsonb_array_elements(each.tokens) AS token (pair)
                JOIN index_token x ON x.rid = given_rid AND x.key = (token.pair ->> 0)::bigint
                    AND (token.pair ->> 1 IS NULL OR x.system = (token.pair ->> 1)::int)
            )
        )
    );
END $$;

CREATE FUNCTION row_in_scope(given_rid bigint) RETURNS bool
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN coalesce((SELECT in_scope(r.type, r.rid) FROM resource r WHERE r.rid = given_rid), false);
END $$;

REVOKE ALL ON FUNCTION in_scope, row_in_scope FROM PUBLIC;
GRANT EXECUTE ON FUNCTION in_scope, row_in_scope TO exchange_api;

-- Old versions follow the version of today (policy `current` of resource_history).
CREATE POLICY scoped ON resource AS RESTRICTIVE FOR SELECT TO exchange_api
    USING ((SELECT current_scope()) IS NULL OR in_scope(type, rid));
DO $$
DECLARE
    name text;
BEGIN
    FOR name IN
        SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relname LIKE 'index\_%' AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attname = 'rid'
    LOOP
        EXECUTE format(
            'CREATE POLICY scoped ON %I AS RESTRICTIVE FOR SELECT TO exchange_api'
            ' USING ((SELECT current_scope()) IS NULL OR row_in_scope(rid))', name);
    END LOOP;
END $$;
