-- What messages state of a person or visit, field by field, so that what a later one leaves empty still holds.
CREATE TABLE carried (
    partner text NOT NULL,
    feed text NOT NULL,
    subject text NOT NULL,                     -- keyed hash of what the map names as its key
    newest timestamptz NOT NULL,               -- when the newest message on it was sent, its key, the run it came in
    key text NOT NULL,
    run bigint NOT NULL,
    fields bytea NOT NULL,                     -- sealed: {field: [when it was stated, raw text]}
    PRIMARY KEY (partner, feed, subject)
);
