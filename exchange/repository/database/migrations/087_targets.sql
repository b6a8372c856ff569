-- FHIR servers that hold the view of one participant for one purpose, and what each of them has. Ids and digests only.

CREATE TABLE target (
    target int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    participant text NOT NULL,
    name text NOT NULL,                        -- of the entry in partner.yaml
    pass bigint NOT NULL DEFAULT 0,            -- number of the pass that is under way, or was the last
    after int,                                 -- checkpoint: the patient up to whom this pass has given; NULL: none is under way
    completed timestamptz,                     -- when the last whole pass ended
    problem text,                              -- of the last push, in words of ours
    UNIQUE (participant, name)
);

CREATE TABLE target_item (
    target int NOT NULL REFERENCES target,
    type text NOT NULL,
    fhir_id uuid NOT NULL,
    held bytea,                                -- digest of what the server has said to have; NULL: it has not said so
    leaving bytea NOT NULL,                    -- digest of what was last recorded as disclosed: it may be there
    refused bytea,                             -- digest of what it would not take
    accompanies bool NOT NULL DEFAULT false,   -- words of the exchange that go along, no record of the repository
    PRIMARY KEY (target, type, fhir_id)
);
CREATE INDEX target_item_refused ON target_item (target) WHERE refused IS NOT NULL;
