-- Access that differs from what a participant usually does: the privacy officer's worklist. Ids and numbers only.
CREATE TABLE access_watch (
    entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('volume', 'hours', 'no-relationship', 'protected-person')),
    participant text NOT NULL,
    role text NOT NULL,
    day date NOT NULL,
    patient uuid,                              -- as the requester knew the person; NULL: about nobody alone
    measured real NOT NULL,
    usual real NOT NULL,                       -- what would have been usual
    first_event bigint NOT NULL,               -- audit_event.sequence
    last_event bigint NOT NULL,
    found timestamptz NOT NULL,
    decision text CHECK (decision IN ('explained', 'investigate', 'sanction')),
    reason text,
    decided_by text,
    decided timestamptz,
    UNIQUE NULLS NOT DISTINCT (kind, participant, role, day, patient),
    CHECK ((decision IS NULL) = (decided IS NULL) AND (decision IS NULL) = (decided_by IS NULL)),
    CHECK (decision IS NULL OR reason <> '')
);
CREATE INDEX access_watch_open ON access_watch (entry) WHERE decision IS NULL;
CREATE FUNCTION watched_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: what was decided stands', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER decided_once BEFORE UPDATE OR DELETE ON access_watch
    FOR EACH ROW WHEN (OLD.decision IS NOT NULL) EXECUTE FUNCTION watched_once();
