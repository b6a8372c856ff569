-- What an officer decided about a consent that could not be computed; the consent itself goes on releasing nothing.
CREATE TABLE consent_review (
    record bigint PRIMARY KEY,                 -- source_record.record: one that is sent again waits anew
    decision text NOT NULL CHECK (decision IN ('sent-back', 'captured', 'no-consent')),
    reason text NOT NULL CHECK (reason <> ''),
    decided_by text NOT NULL,
    decided timestamptz NOT NULL
);
CREATE TRIGGER decided_once BEFORE UPDATE OR DELETE ON consent_review
    FOR EACH ROW EXECUTE FUNCTION watched_once();
