-- Who decided a pair of patients, and why; a question to a partner leaves the pair open.
ALTER TABLE match_review
    ADD opened timestamptz NOT NULL DEFAULT now(),
    ADD asked timestamptz,
    ADD decided timestamptz,
    ADD steward text,
    ADD reason text;

-- One record number that turned from one person into another (an overlay). What is known of the person is
-- released to nobody but its sources until a steward, or the partner's correction, settles it.
CREATE TABLE overlay (
    patient int PRIMARY KEY REFERENCES patient,
    since timestamptz NOT NULL,
    before jsonb NOT NULL,                     -- features as they were when the record was still one person's
    evidence jsonb NOT NULL,
    outcome text CHECK (outcome IN ('one-person', 'two-people', 'corrected')),
    decided timestamptz,
    steward text,
    reason text
);

CREATE INDEX link_event_b ON link_event (b);
CREATE INDEX link_event_persons ON link_event (event) WHERE kind IN ('person.merged', 'person.split');
