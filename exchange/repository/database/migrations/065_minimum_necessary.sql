-- What a viewer is left of a record that he is shown under the obligation `minimum-necessary`: elements by type, and
-- the keys of the search parameters that look at nothing else. NULL: no rule asks that of him.
ALTER TABLE viewer ADD COLUMN minimum jsonb, ADD COLUMN searchable int[];

CREATE FUNCTION current_minimum() RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
RETURN (SELECT minimum FROM viewer WHERE viewer = current_viewer());

CREATE FUNCTION current_searchable() RETURNS int[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp
RETURN (SELECT searchable FROM viewer WHERE viewer = current_viewer());

REVOKE ALL ON FUNCTION current_minimum, current_searchable FROM PUBLIC;
GRANT EXECUTE ON FUNCTION current_minimum, current_searchable TO exchange_api;

-- Search finds nothing that is not shown: index rows of what is left out are not there for him.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['index_token', 'index_reference', 'index_date', 'index_string', 'index_quantity'] LOOP
        EXECUTE format(
            $policy$
            CREATE POLICY minimum ON %1$I AS RESTRICTIVE FOR SELECT TO exchange_api USING (
                (SELECT current_searchable()) IS NULL
                OR param = ANY ((SELECT current_searchable())::int[])
                OR class IN (SELECT d.class FROM disclosure d WHERE NOT d.obligations @> '{minimum-necessary}')
            )
            $policy$, name);
    END LOOP;
END $$;
