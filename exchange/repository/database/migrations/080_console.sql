-- People who sign in to the console, and their sessions. Software of a participant is a `client` instead.
CREATE TABLE console_account (
    login text PRIMARY KEY,
    name text NOT NULL,
    roles text[] NOT NULL,                     -- exchange.console.accounts.Role
    participant text,                          -- whose timeline, keys and panels; required by role `partner`
    secret text,                               -- argon2id; NULL: invited, or signs in with OpenID Connect only
    subject text UNIQUE,                       -- issuer and subject of OpenID Connect
    failures int NOT NULL DEFAULT 0,           -- wrong passwords in a row
    locked_until timestamptz,
    created timestamptz NOT NULL,
    disabled timestamptz
);

-- The cookie's value is not kept, only its SHA-256.
CREATE TABLE console_session (
    token bytea PRIMARY KEY,
    login text NOT NULL REFERENCES console_account ON DELETE CASCADE,
    started timestamptz NOT NULL,
    seen timestamptz NOT NULL
);
CREATE INDEX console_session_seen ON console_session (seen);

-- Links that sign in once: an invitation, or the way in to the demo.
CREATE TABLE console_link (
    token bytea PRIMARY KEY,
    login text NOT NULL REFERENCES console_account ON DELETE CASCADE,
    until timestamptz NOT NULL
);
