-- What pages show of the log and of the repository as a whole, counted ahead of who looks.

-- A search of the log goes along one of these. Every record is written with its time in one form (UTC, milliseconds),
-- so that texts are in the order of time.
CREATE INDEX audit_event_recorded ON audit_event (((body ->> 'recorded') COLLATE "C"), sequence);
CREATE INDEX audit_event_kind ON audit_event (kind, ((body ->> 'recorded') COLLATE "C"), sequence);
CREATE INDEX audit_event_participant ON audit_event (participant, ((body ->> 'recorded') COLLATE "C"), sequence);

-- Records of the log up to audit_counted, by day (UTC) and participant; what came since is counted where it is asked.
CREATE TABLE audit_day (
    participant text NOT NULL,
    day date NOT NULL,
    kind text NOT NULL,
    purpose text NOT NULL,
    reason text NOT NULL,                      -- outcomeDesc: why something was refused
    answers bigint NOT NULL,
    latest timestamptz NOT NULL,
    PRIMARY KEY (participant, day, kind, purpose, reason)
);
CREATE TABLE audit_counted (
    one bool PRIMARY KEY DEFAULT true CHECK (one),
    sequence bigint NOT NULL
);
INSERT INTO audit_counted (sequence) VALUES (0);

-- Records about people by disclosure class: all of them (participant ''), and those about patients of whom a
-- participant has a care relationship. Who may see them is looked up when it is asked.
CREATE TABLE class_share (
    class int NOT NULL,
    participant text NOT NULL,
    emergency bool NOT NULL,                   -- the relationship is a broken glass
    records bigint NOT NULL,
    PRIMARY KEY (class, participant, emergency)
);
CREATE TABLE class_share_counted (
    one bool PRIMARY KEY DEFAULT true CHECK (one),
    at timestamptz NOT NULL,
    seconds float8 NOT NULL                    -- how long it took
);
