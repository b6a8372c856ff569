-- What answers of the API left out, by the exception of 45 CFR 171 it falls under. It is worked out afterwards from
-- the audit log: nothing about it happens while somebody is answered, and the API's role reads nothing of it.
CREATE TABLE answer_withheld (
    sequence bigint NOT NULL,                  -- of the answer in audit_event
    category text NOT NULL,                    -- exchange.delivery.withholding.Category
    because text[] NOT NULL,
    exception text NOT NULL,
    records int NOT NULL,
    looked timestamptz NOT NULL,               -- when it was decided again
    PRIMARY KEY (sequence, category, because)
);
CREATE TABLE answer_looked (
    one bool PRIMARY KEY DEFAULT true CHECK (one),
    sequence bigint NOT NULL                   -- the last answer that was looked at
);
