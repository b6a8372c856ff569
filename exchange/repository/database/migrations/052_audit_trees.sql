-- Each seal has a Merkle tree (RFC 9162) over the hashes of the records since the seal before it, so that one
-- record can be proved to be in the log without the others. Seals made before have none.
ALTER TABLE audit_seal
    ADD first bigint,                          -- number of the tree's first record
    ADD root bytea,
    ADD CHECK ((first IS NULL) = (root IS NULL));

-- Records that must not be forgotten when their time is over: a court, an investigation, a complaint.
CREATE TABLE legal_hold (
    hold bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    patient uuid,                              -- id of any Patient of the person; NULL: everything
    reason text NOT NULL CHECK (reason <> ''),
    since timestamptz NOT NULL,
    set_by text NOT NULL,
    lifted timestamptz,
    lifted_by text,
    CHECK ((lifted IS NULL) = (lifted_by IS NULL))
);
