-- Labels that come late: how far a partner's history was labelled again, and what had gone out before.

CREATE TABLE labelling (
    partner text PRIMARY KEY,
    digest text NOT NULL,                      -- exchange.pipeline.safeguard.labelling_digest()
    pass int NOT NULL DEFAULT 1,               -- labels follow references: again until a pass changes nothing
    changed int NOT NULL DEFAULT 0,            -- rows this pass changed
    cursor bigint NOT NULL DEFAULT 0,          -- source_record up to which this pass has come
    finished timestamptz
);

CREATE INDEX resource_record ON resource (record);
CREATE INDEX resource_history_record ON resource_history (record);
CREATE INDEX withheld_record ON withheld (record);

-- What a recipient got and would not get now: the worklist of the privacy officer. Ids only, no content.
CREATE TABLE late_disclosure (
    entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    found timestamptz NOT NULL,
    type text NOT NULL,
    fhir_id uuid NOT NULL,
    partner text NOT NULL,                     -- whose record it is
    labels text[] NOT NULL,                    -- that came late
    participant text NOT NULL,                 -- who got it
    purpose text NOT NULL,
    because text[] NOT NULL,                   -- what would deny it now
    first_event bigint NOT NULL,               -- audit_event.sequence of the first and the last time
    last_event bigint NOT NULL,
    times int NOT NULL,
    decision text CHECK (decision IN ('recall', 'breach', 'no-action')),
    reason text,
    decided_by text,
    decided timestamptz,
    UNIQUE (type, fhir_id, labels, participant, purpose),
    CHECK ((decision IS NULL) = (decided IS NULL) AND (decision IS NULL) = (decided_by IS NULL)),
    CHECK (decision IS NULL OR reason <> '')
);
CREATE INDEX late_disclosure_open ON late_disclosure (entry) WHERE decision IS NULL;

CREATE FUNCTION late_disclosures_are_decided_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: what was decided stands', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER decided_once BEFORE UPDATE OR DELETE ON late_disclosure
    FOR EACH ROW WHEN (OLD.decision IS NOT NULL) EXECUTE FUNCTION late_disclosures_are_decided_once();
