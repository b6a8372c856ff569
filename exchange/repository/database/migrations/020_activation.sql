-- Which rules are in force, and who said so: signed acts of the privacy officers, never changed.

CREATE TABLE ruleset (
    digest text PRIMARY KEY,                   -- exchange.consent.Rules.digest
    files jsonb NOT NULL,                      -- the files that decide, by path below consent/
    stored timestamptz NOT NULL
);

CREATE TABLE officer_act (
    number int PRIMARY KEY CHECK (number > 0), -- 1, 2, 3, … without gaps
    kind text NOT NULL CHECK (kind IN ('officer-added', 'officer-revoked', 'ruleset-activated')),
    subject text NOT NULL,                     -- the officer's name, or the ruleset's digest
    key text NOT NULL,                         -- of the officer added: public key (PEM)
    officer text NOT NULL,                     -- who signed
    at timestamptz NOT NULL,
    signature bytea NOT NULL,                  -- Ed25519 over exchange.consent.activation.statement()
    seal bytea NOT NULL                        -- Ed25519 of the exchange over statement and signature
);

CREATE FUNCTION officer_acts_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: what officers signed is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON officer_act
    FOR EACH STATEMENT EXECUTE FUNCTION officer_acts_are_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ruleset
    FOR EACH STATEMENT EXECUTE FUNCTION officer_acts_are_append_only();
