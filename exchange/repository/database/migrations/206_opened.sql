-- The types of which a viewer is permitted anything without a care relationship. What it sees of any other is about
-- people in its care alone, so that a search of everybody need not look at the records of all others. Of more types than
-- there are is no harm: it is added to with each permit, in its transaction, and only emptied where all are decided again.
CREATE TABLE opened (
    viewer int NOT NULL REFERENCES viewer,
    type text NOT NULL,
    PRIMARY KEY (viewer, type)
);
GRANT SELECT ON opened TO exchange_api;
ALTER TABLE opened ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON opened FOR SELECT TO exchange_api USING (viewer = (SELECT current_viewer()));

CREATE FUNCTION note_opened() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO opened
    SELECT a.viewer, c.type FROM added a JOIN disclosure_class c USING (class)
    WHERE NOT a.needs_relationship
      AND NOT EXISTS (SELECT FROM opened o WHERE o.viewer = a.viewer AND o.type = c.type)
    GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER permits_open AFTER INSERT ON disclosure REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION note_opened();
CREATE TRIGGER permits_open_changed AFTER UPDATE ON disclosure REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION note_opened();
-- Also where other triggers are passed over.
ALTER TABLE disclosure ENABLE ALWAYS TRIGGER permits_open, ENABLE ALWAYS TRIGGER permits_open_changed;

INSERT INTO opened
SELECT DISTINCT d.viewer, c.type FROM disclosure d JOIN disclosure_class c USING (class)
WHERE NOT d.needs_relationship;
