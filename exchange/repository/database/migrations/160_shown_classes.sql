-- What each viewer is shown of every class, as one value that a statement looks at once for each table it reads and not
-- once for each row: a byte for each class, by its number.
--   0  nothing, all the while          1  all, all the while
--   2  all of whom it cares for, all the while
--   3  ask `disclosure`: a permit begins or ends meanwhile, or the class was not there yet
-- `disclosure` stays what decides. This is worked out from it (fold_shown()), holds for a time that begins and ends by
-- itself, and is dropped in the transaction in which a permit changes; where there is none, every row asks `disclosure`.
CREATE TABLE shown (
    viewer int NOT NULL REFERENCES viewer,
    action text NOT NULL CHECK (action IN ('access', 'disclose')),
    valid_from timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    classes bytea NOT NULL,
    top int NOT NULL,                          -- the last class there was
    PRIMARY KEY (viewer, action)
);

-- Works it out for all viewers, for a time. A class is known here when its permits are: both are written in one
-- transaction. Who changes permits of classes that are there holds the ruling alone (`redecide_all`), this shares it.
CREATE FUNCTION fold_shown(at timestamptz, until timestamptz) RETURNS int
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    known bytea := '';
    told bytea;
    top int := 0;
    one record;
    permit record;
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
    FOR one IN SELECT v.viewer, a.action FROM viewer v, (VALUES ('access'), ('disclose')) AS a (action) LOOP
        told := known;
        FOR permit IN
            SELECT d.class,
                CASE WHEN bool_or(NOT d.needs_relationship AND d.valid_from <= at AND d.valid_until >= until) THEN 1
                    WHEN bool_and(d.needs_relationship) AND bool_or(d.valid_from <= at AND d.valid_until >= until) THEN 2
                    ELSE 3 END AS code
            FROM disclosure d
            WHERE d.viewer = one.viewer AND d.action IN ('any', one.action)
              AND d.valid_from < until AND d.valid_until > at AND d.class <= top
            GROUP BY d.class
        LOOP
            told := set_byte(told, permit.class, permit.code);
        END LOOP;
        INSERT INTO shown VALUES (one.viewer, one.action, at, until, told, top);
        folded := folded + 1;
    END LOOP;
    RETURN folded;
END $$;
REVOKE ALL ON FUNCTION fold_shown FROM PUBLIC;

CREATE FUNCTION drop_shown() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM shown;
    RETURN NULL;
END $$;
CREATE TRIGGER permits_changed AFTER UPDATE OR DELETE OR TRUNCATE ON disclosure
    FOR EACH STATEMENT EXECUTE FUNCTION drop_shown();

-- A permit of a class that was worked out already, or for which there is no room any more.
CREATE FUNCTION drop_shown_of_known() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM shown s WHERE EXISTS (
        SELECT FROM added a
        WHERE a.viewer = s.viewer
          AND CASE WHEN a.class < length(s.classes) THEN get_byte(s.classes, a.class) <> 3 ELSE true END
    );
    RETURN NULL;
END $$;
CREATE TRIGGER permits_added AFTER INSERT ON disclosure REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION drop_shown_of_known();

-- Also where other triggers are passed over.
ALTER TABLE disclosure ENABLE ALWAYS TRIGGER permits_changed, ENABLE ALWAYS TRIGGER permits_added;

-- Of whoever asks, while it holds; NULL when there is none. Put together with nothing, the value is no pointer to where
-- a long one is stored, to be fetched again for each row.
CREATE FUNCTION shown_classes() RETURNS bytea
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE  -- in variables: a query that is told them costs half of one that works them out
    asking int := current_viewer();
    doing text := current_action();
    moment timestamptz := current_instant();
BEGIN
    RETURN (
        SELECT s.classes || ''::bytea FROM shown s
        WHERE s.viewer = asking AND s.action = doing AND s.valid_from <= moment AND s.valid_until > moment);
END $$;

-- The same as before, by the permits themselves.
CREATE OR REPLACE FUNCTION discloses(given_class int, given_patient int) RETURNS bool
LANGUAGE plpgsql STABLE SECURITY DEFINER COST 1000 SET search_path = public, pg_temp AS $$
DECLARE
    asking int := current_viewer();
    doing text := current_action();
    moment timestamptz := current_instant();
    whoever_cares bool;
    participant_asking text;
    breaking bool;
BEGIN
    SELECT bool_and(d.needs_relationship) INTO whoever_cares FROM disclosure d
    WHERE d.viewer = asking AND d.class = given_class
      AND d.valid_from <= moment AND d.valid_until > moment AND d.action IN ('any', doing);
    IF whoever_cares IS NULL OR NOT whoever_cares THEN
        RETURN whoever_cares IS NOT NULL;
    END IF;
    participant_asking := current_participant();
    breaking := current_emergency();
    RETURN EXISTS (
        SELECT FROM relationship s
        WHERE s.participant = participant_asking AND s.patient = given_patient
          AND s.until > moment AND (s.basis = 'break-glass') = breaking
    );
END $$;

CREATE OR REPLACE FUNCTION sees_patient(given int) RETURNS bool
LANGUAGE plpgsql STABLE SECURITY DEFINER COST 2000 SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM patient p JOIN resource r ON r.type = 'Patient' AND r.fhir_id = p.fhir_id
        WHERE p.patient = given AND discloses(r.class, given)
    );
END $$;

-- A Patient's row says what its forms are: the class of the whole one, and whether there are redacted ones.
ALTER TABLE patient ADD COLUMN whole_class int, ADD COLUMN redacted bool NOT NULL DEFAULT false;

CREATE FUNCTION note_forms_of_patient() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    about uuid := CASE WHEN TG_OP = 'DELETE' THEN OLD.fhir_id ELSE NEW.fhir_id END;
BEGIN
    UPDATE patient p SET whole_class = now.class, redacted = now.redacted
    FROM (
        SELECT min(r.class) FILTER (WHERE r.rendition = 0) AS class,
            coalesce(bool_or(r.rendition > 0), false) AS redacted
        FROM resource r WHERE r.type = 'Patient' AND r.fhir_id = about
    ) AS now
    WHERE p.fhir_id = about AND (p.whole_class, p.redacted) IS DISTINCT FROM (now.class, now.redacted);
    RETURN NULL;
END $$;
CREATE TRIGGER patient_stored AFTER INSERT ON resource
    FOR EACH ROW WHEN (NEW.type = 'Patient') EXECUTE FUNCTION note_forms_of_patient();
CREATE TRIGGER patient_moved AFTER UPDATE OF class, type, fhir_id, rendition ON resource
    FOR EACH ROW WHEN (NEW.type = 'Patient' OR OLD.type = 'Patient') EXECUTE FUNCTION note_forms_of_patient();
CREATE TRIGGER patient_removed AFTER DELETE ON resource
    FOR EACH ROW WHEN (OLD.type = 'Patient') EXECUTE FUNCTION note_forms_of_patient();

UPDATE patient p SET whole_class = now.class, redacted = now.redacted
FROM (
    SELECT fhir_id, min(class) FILTER (WHERE rendition = 0) AS class, bool_or(rendition > 0) AS redacted
    FROM resource WHERE type = 'Patient' GROUP BY 1
) AS now
WHERE p.fhir_id = now.fhir_id;
GRANT SELECT (whole_class, redacted) ON patient TO exchange_api;

-- Who is left the minimum necessary: asked once for each table, and for each row only of whom it is true.
CREATE OR REPLACE FUNCTION current_searchable() RETURNS int[]
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN (SELECT searchable FROM viewer WHERE viewer = current_viewer());
END $$;
CREATE OR REPLACE FUNCTION current_minimum() RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    RETURN (SELECT minimum FROM viewer WHERE viewer = current_viewer());
END $$;
CREATE FUNCTION shows_whole(given_class int) RETURNS bool
LANGUAGE plpgsql STABLE SECURITY DEFINER COST 1000 SET search_path = public, pg_temp AS $$
DECLARE
    asking int := current_viewer();
    doing text := current_action();
    moment timestamptz := current_instant();
BEGIN
    RETURN EXISTS (
        SELECT FROM disclosure d
        WHERE d.viewer = asking AND d.class = given_class
          AND d.valid_from <= moment AND d.valid_until > moment
          AND d.action IN ('any', doing) AND NOT d.obligations @> '{minimum-necessary}'
    );
END $$;

-- Whether two Patients are certainly one person as far as the viewer sees: linked, and nobody beside the link is kept
-- apart from whom they are linked to. A function, because few rows ask and every statement would have to plan it.
CREATE FUNCTION certainly_one(given_a int, given_b int) RETURNS bool
LANGUAGE plpgsql STABLE SECURITY DEFINER COST 5000 SET search_path = public, pg_temp AS $$
BEGIN
    RETURN EXISTS (
        SELECT FROM patient_edge e WHERE e.a = given_a AND e.b = given_b AND e.grade = 'certain'
    ) AND sees_patient(given_a) AND sees_patient(given_b) AND NOT EXISTS (
        SELECT FROM patient_edge n JOIN patient_apart k ON k.a = n.b OR k.b = n.b
        WHERE n.a IN (given_a, given_b) AND sees_patient(n.b) AND sees_patient(k.a) AND sees_patient(k.b)
    );
END $$;

REVOKE ALL ON FUNCTION shown_classes, shows_whole, certainly_one FROM PUBLIC;
GRANT EXECUTE ON FUNCTION shown_classes, shows_whole, certainly_one TO exchange_api;

-- One look for each row that needs it; what is the same for all of them is worked out once, without a plan of its own.
ALTER POLICY own ON relationship USING (
    participant = (SELECT current_participant()) AND until > current_instant()
    AND (basis = 'break-glass') = current_emergency()
);

-- A class for which there is no byte is an error, and shows nothing; `permits_added` sees to it that there is one.
DO $$
DECLARE
    name text;
    asked text := $policy$
        CASE get_byte((SELECT shown_classes()), %1$I.class)
            WHEN 0 THEN false
            WHEN 1 THEN true
            WHEN 2 THEN EXISTS (SELECT FROM relationship s WHERE s.patient = %1$I.patient OFFSET 0)
            ELSE discloses(%1$I.class, %1$I.patient) END
    $policy$;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'resource', 'index_token', 'index_reference', 'index_date', 'index_string', 'index_quantity'
    ] LOOP
        EXECUTE format('ALTER POLICY disclosed ON %1$I USING (' || asked || ')', name);
    END LOOP;
    EXECUTE format(
        'ALTER POLICY disclosed ON %1$I USING ((' || asked || ') AND unbroken(type, fhir_id, rendition, version))',
        'resource_history');
    FOREACH name IN ARRAY ARRAY['index_token', 'index_reference', 'index_date', 'index_string', 'index_quantity'] LOOP
        EXECUTE format(
            $policy$
            ALTER POLICY minimum ON %1$I USING (
                (SELECT current_searchable()) IS NULL
                OR param = ANY ((SELECT current_searchable())::int[]) OR shows_whole(class)
            )
            $policy$, name);
    END LOOP;
END $$;

ALTER POLICY disclosed ON patient USING (
    CASE get_byte((SELECT shown_classes()), whole_class)
        WHEN 0 THEN redacted AND sees_patient(patient)
        WHEN 1 THEN true
        WHEN 2 THEN EXISTS (SELECT FROM relationship s WHERE s.patient = patient.patient OFFSET 0)
            OR (redacted AND sees_patient(patient))
        ELSE sees_patient(patient) END
);
ALTER POLICY disclosed ON patient_edge USING (
    EXISTS (SELECT FROM patient p WHERE p.patient = a) AND EXISTS (SELECT FROM patient p WHERE p.patient = b)
);
ALTER POLICY disclosed ON blocking_key USING (
    EXISTS (SELECT FROM patient p WHERE p.patient = blocking_key.patient)
);

SELECT fold_shown(now(), now() + interval '7 days');
