-- As in migration 160; what a viewer is permitted to do anything with is worked out once for both actions.
CREATE OR REPLACE FUNCTION fold_shown(at timestamptz, until timestamptz) RETURNS int
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    known bytea := '';
    told bytea;
    top int := 0;
    one record;
    permit record;
    doing text;
    folded int := 0;
    room CONSTANT int := 2000;  -- of classes to come
BEGIN
    PERFORM pg_advisory_xact_lock_shared(x'72756C696E67'::bigint);
    PERFORM pg_advisory_xact_lock(x'73686F776E'::bigint);
    SELECT coalesce(max(class), 0) INTO top FROM disclosure_class;
    known := decode(repeat('03', top + room), 'hex');
    FOR one IN SELECT class FROM disclosure_class WHERE class <= top LOOP
        known := set_byte(known, one.class, 0);
    END LOOP;
    DELETE FROM shown;
    FOR one IN
        SELECT v.viewer, EXISTS (SELECT FROM disclosure d WHERE d.viewer = v.viewer AND d.action <> 'any') AS parted
        FROM viewer v
    LOOP
        FOREACH doing IN ARRAY CASE WHEN one.parted THEN ARRAY['access', 'disclose'] ELSE ARRAY['any'] END LOOP
            told := known;
            FOR permit IN
                SELECT d.class,
                    CASE WHEN bool_or(NOT d.needs_relationship AND d.valid_from <= at AND d.valid_until >= until) THEN 1
                        WHEN bool_and(d.needs_relationship) AND bool_or(d.valid_from <= at AND d.valid_until >= until)
                        THEN 2
                        ELSE 3 END AS code
                FROM disclosure d
                WHERE d.viewer = one.viewer AND d.action IN ('any', doing)
                  AND d.valid_from < until AND d.valid_until > at AND d.class <= top
                GROUP BY d.class
            LOOP
                told := set_byte(told, permit.class, permit.code);
            END LOOP;
            INSERT INTO shown
            SELECT one.viewer, action, at, until, told, top
            FROM unnest(CASE WHEN doing = 'any' THEN ARRAY['access', 'disclose'] ELSE ARRAY[doing] END) AS action;
        END LOOP;
        folded := folded + 2;
    END LOOP;
    RETURN folded;
END $$;
