-- Wrong passwords of an address over all accounts, since when; and what one person did, the latest first.
CREATE TABLE console_guess (
    address text PRIMARY KEY,
    failures int NOT NULL,
    since timestamptz NOT NULL
);
CREATE INDEX console_guess_over ON console_guess (since);

-- Records of participants' requests, nearly all of the log, have no login.
CREATE INDEX audit_event_login
    ON audit_event ((body #>> '{agent,0,who,display}'), ((body ->> 'recorded') COLLATE "C"), sequence)
    WHERE participant IS NULL;
