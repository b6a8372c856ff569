-- Searches of the audit log that a person at the console keeps under a name; nothing of a patient is in them.
CREATE TABLE console_saved_view (
    login text NOT NULL REFERENCES console_account ON DELETE CASCADE,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
    fields jsonb NOT NULL,
    PRIMARY KEY (login, name)
);
