-- Records of the audit log whose time is over go, and the log stays provable: a signed tombstone takes the place of
-- a seal's records, with the hashes of all of them while some are still held. The database refuses a tombstone that
-- is too early or leaves out what is held, and lets go of no record without one.

-- Held: by a legal hold on everything or on the person; records about nobody while anybody's are held, as a request
-- in them may have been for him; what an officer's open work rests on.
CREATE FUNCTION audit_is_held(wanted audit_event) RETURNS bool LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM legal_hold h WHERE h.lifted IS NULL AND (h.patient IS NULL OR wanted.patient IS NULL))
    OR EXISTS (SELECT FROM legal_hold h WHERE h.lifted IS NULL AND h.patient = wanted.patient)
    OR EXISTS (
        SELECT FROM legal_hold h
        JOIN patient asked ON h.patient IN (asked.fhir_id, asked.golden_id)
        JOIN patient same ON same.person = asked.person
        WHERE h.lifted IS NULL AND wanted.patient IN (same.fhir_id, same.golden_id))
    OR EXISTS (
        SELECT FROM recall_task t JOIN recall_item i USING (recall, participant)
        WHERE t.outcome IS NULL AND wanted.sequence = ANY (i.events))
    OR EXISTS (
        SELECT FROM access_watch w WHERE w.decision IS NULL AND w.participant = wanted.participant
          AND wanted.sequence BETWEEN w.first_event AND w.last_event)
    OR EXISTS (
        SELECT FROM late_disclosure d WHERE d.decision IS NULL AND d.participant = wanted.participant
          AND wanted.sequence BETWEEN d.first_event AND d.last_event);
REVOKE ALL ON FUNCTION audit_is_held FROM PUBLIC;

-- The newest of a seal counts: when a hold is lifted another one keeps less.
CREATE TABLE audit_tombstone (
    first bigint NOT NULL,                     -- the range of a seal
    last bigint NOT NULL,
    root bytea NOT NULL,                       -- of the seal's tree
    kept bigint[] NOT NULL,                    -- numbers of the records that are still there, ascending
    hashes bytea,                              -- of every record of the range, 32 bytes each; NULL: none is kept
    pruned timestamptz NOT NULL,
    signature bytea NOT NULL,                  -- Ed25519 over exchange.audit.tombstones.statement()
    PRIMARY KEY (first, pruned),
    CHECK ((hashes IS NULL) = (kept = '{}')),
    CHECK (length(hashes) = 32 * (last - first + 1))
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_tombstone
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

CREATE FUNCTION audit_tombstone_is_due() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Six years from the last record under the seal: 45 CFR 164.316(b)(2)(i) and 164.528(a)(1).
    IF NOT EXISTS (
        SELECT FROM audit_seal s WHERE (s.first, s.sequence, s.root) = (NEW.first, NEW.last, NEW.root)
          AND s.sealed + interval '6 years' <= least(NEW.pruned, clock_timestamp())) THEN
        RAISE EXCEPTION 'records % to % of the audit log are not six years old', NEW.first, NEW.last
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF EXISTS (
        SELECT FROM audit_event e WHERE e.sequence BETWEEN NEW.first AND NEW.last
          AND e.sequence <> ALL (NEW.kept) AND audit_is_held(e)) THEN
        RAISE EXCEPTION 'records % to % of the audit log have some that are held', NEW.first, NEW.last
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER due BEFORE INSERT ON audit_tombstone FOR EACH ROW EXECUTE FUNCTION audit_tombstone_is_due();

DROP TRIGGER append_only ON audit_event;
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON audit_event
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
CREATE FUNCTION audit_is_pruned_only() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    stone audit_tombstone;
BEGIN
    SELECT * INTO stone FROM audit_tombstone t WHERE OLD.sequence BETWEEN t.first AND t.last
    ORDER BY t.pruned DESC LIMIT 1;
    IF FOUND AND OLD.sequence <> ALL (stone.kept) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'DELETE on audit_event is refused: the audit log is append-only'
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER pruned_only BEFORE DELETE ON audit_event FOR EACH ROW EXECUTE FUNCTION audit_is_pruned_only();
