-- Documents of which something was rejected while pulling: kept whole, to be split again after a fix.

CREATE TABLE document (
    document bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    partner text NOT NULL,
    feed text NOT NULL,
    name text NOT NULL,
    address text NOT NULL,                     -- where the sealed document lies in the landing store
    modified timestamptz,
    deleted bool NOT NULL,
    last_record bigint NOT NULL                -- what the ledger got after this record is newer
);
CREATE INDEX document_feed ON document (partner, feed);

ALTER TABLE source_record ADD COLUMN document bigint REFERENCES document;
