-- Recalls: what went out and should not have, or is wrong by now; a Task to each recipient until it is settled.

CREATE TABLE recall (
    recall bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('revocation', 'wrong-link', 'late-label', 'source-error')),
    cause text NOT NULL,                       -- Type/id of what caused it; two of them for a link
    opened timestamptz NOT NULL,
    opened_by text NOT NULL,
    reason text NOT NULL CHECK (reason <> '')  -- in the officer's words; no patient's data
);

-- What each recipient got of it. Ids only.
CREATE TABLE recall_item (
    recall bigint NOT NULL REFERENCES recall,
    participant text NOT NULL,
    role text NOT NULL,
    purpose text NOT NULL,
    record text NOT NULL,                      -- Type/id as the recipient knows it
    about uuid,                                -- Patient as the recipient knew the person
    events bigint[] NOT NULL,                  -- audit_event.sequence of every disclosure of it
    receipts bigint[] NOT NULL,                -- of those that were deliveries
    PRIMARY KEY (recall, participant, role, purpose, record)
);

CREATE TABLE recall_task (
    task uuid PRIMARY KEY,
    recall bigint NOT NULL REFERENCES recall,
    participant text NOT NULL,
    outcome text CHECK (outcome IN ('destroyed', 'returned', 'corrected', 'refused', 'not-held')),
    closed timestamptz,
    closed_by text,
    note text,
    UNIQUE (recall, participant),
    CHECK ((outcome IS NULL) = (closed IS NULL) AND (outcome IS NULL) = (closed_by IS NULL))
);
CREATE INDEX recall_task_open ON recall_task (recall) WHERE outcome IS NULL;

CREATE FUNCTION recalls_are_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: what was asked and answered stands', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON recall FOR EACH ROW EXECUTE FUNCTION recalls_are_kept();
CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON recall_item FOR EACH ROW EXECUTE FUNCTION recalls_are_kept();
CREATE TRIGGER kept BEFORE UPDATE OR DELETE ON recall_task
    FOR EACH ROW WHEN (OLD.outcome IS NOT NULL) EXECUTE FUNCTION recalls_are_kept();
