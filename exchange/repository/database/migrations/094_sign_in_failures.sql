-- Wrong passwords in a row by account and address: whoever guesses locks himself out, not the account's owner.
CREATE TABLE console_failure (
    login text NOT NULL REFERENCES console_account ON DELETE CASCADE,
    address text NOT NULL,
    failures int NOT NULL,
    locked_until timestamptz NOT NULL,
    PRIMARY KEY (login, address)
);
CREATE INDEX console_failure_over ON console_failure (locked_until);
