-- The run ledger: every record a partner sent, and what became of it.

CREATE TABLE run (
    run bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partner text NOT NULL,
    kind text NOT NULL DEFAULT 'pull' CHECK (kind IN ('pull', 'replay')),
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'balanced', 'unbalanced')),
    started timestamptz NOT NULL,
    ended timestamptz,
    pulled int NOT NULL DEFAULT 0,             -- counted as records arrive, apart from source_record
    pulled_all bool NOT NULL DEFAULT false,
    seconds jsonb NOT NULL DEFAULT '{}'
);
CREATE UNIQUE INDEX run_open ON run (partner) WHERE status = 'open';

CREATE TABLE partner_cursor (
    partner text PRIMARY KEY,
    cursor jsonb NOT NULL
);

CREATE TABLE chunk (
    run bigint NOT NULL REFERENCES run,
    chunk int NOT NULL,
    step text NOT NULL CHECK (step IN ('pulled', 'mapped', 'safeguarded', 'linked', 'published')),
    records int NOT NULL,
    PRIMARY KEY (run, chunk)
);

CREATE TABLE source_record (
    record bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run bigint NOT NULL REFERENCES run,
    chunk int,                                 -- NULL: decided while pulling
    partner text NOT NULL,
    feed text NOT NULL,
    key text NOT NULL,
    digest bytea NOT NULL,
    address text,                              -- where the sealed payload lies in the landing store
    position text NOT NULL,
    deleted bool NOT NULL,
    event_time timestamptz,
    outcome text CHECK (outcome IN ('published', 'unchanged', 'duplicate', 'withheld', 'quarantined', 'deleted'))
);
CREATE INDEX source_record_run ON source_record (run, chunk);
CREATE INDEX source_record_key ON source_record (partner, feed, key);

-- The latest payload of each key and the resources it claims, to recognise what did not change.
CREATE TABLE record_state (
    partner text NOT NULL,
    feed text NOT NULL,
    key text NOT NULL,
    digest bytea NOT NULL,
    record bigint NOT NULL,
    resources text[] NOT NULL DEFAULT '{}',    -- Type/id it made, for deletes and snapshots
    PRIMARY KEY (partner, feed, key)
);
CREATE INDEX record_state_resources ON record_state USING gin (resources);

CREATE TABLE quarantine (
    record bigint NOT NULL REFERENCES source_record,
    ordinal int NOT NULL,
    severity text NOT NULL,
    code text NOT NULL,
    expression text NOT NULL,
    position text NOT NULL,
    detail text NOT NULL,
    replayed_by bigint REFERENCES run,
    PRIMARY KEY (record, ordinal)
);

CREATE TABLE resource_balance (                -- resources per run, the second balance
    run bigint NOT NULL REFERENCES run,
    chunk int NOT NULL,
    type text NOT NULL,
    outcome text NOT NULL,
    resources int NOT NULL,
    PRIMARY KEY (run, chunk, type, outcome)
);
