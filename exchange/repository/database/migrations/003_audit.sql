-- The record of every disclosure, and the clients that may ask. Role exchange_api appends through
-- audit_append() and can neither read nor change what was written.

DO $$
BEGIN
    CREATE ROLE exchange_api NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- roles belong to the server: another database, or another process, was first
END $$;

CREATE TABLE audit_event (
    sequence bigint PRIMARY KEY,               -- 1, 2, 3, … without gaps
    kind text NOT NULL,                        -- exchange.audit.events.Kind
    participant text,                          -- who asked; NULL: could not be told
    patient uuid,                              -- Patient as the requester saw it; NULL: about nobody
    body json NOT NULL,                        -- FHIR AuditEvent, kept byte for byte
    previous bytea NOT NULL,                   -- hash of the record before
    hash bytea NOT NULL UNIQUE
);
CREATE INDEX audit_event_patient ON audit_event (patient, sequence) WHERE patient IS NOT NULL;

-- One row: the end of the chain. Its lock puts concurrent disclosures in order.
CREATE TABLE audit_head (
    singleton bool PRIMARY KEY DEFAULT true CHECK (singleton),
    sequence bigint NOT NULL,
    hash bytea NOT NULL
);
INSERT INTO audit_head (sequence, hash) VALUES (0, decode(repeat('00', 32), 'hex'));

-- Signed ends of the chain; the same lines go to a file outside the database.
CREATE TABLE audit_seal (
    sequence bigint PRIMARY KEY,
    hash bytea NOT NULL,
    sealed timestamptz NOT NULL,
    signature bytea NOT NULL                   -- Ed25519 over exchange.audit.chain.statement()
);

CREATE FUNCTION audit_hash(previous bytea, sequence bigint, kind text, participant text, patient uuid, body json)
RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256(
    previous || int8send(sequence)
    || sha256(convert_to(kind, 'UTF8')) || sha256(convert_to(coalesce(participant, ''), 'UTF8'))
    || sha256(convert_to(coalesce(patient::text, ''), 'UTF8')) || sha256(convert_to(body::text, 'UTF8'))
);

-- Appends one record per position of the arrays and returns the last sequence. The head stays locked to the
-- end of the transaction, so a transaction calls this last.
CREATE FUNCTION audit_append(kinds text[], participants text[], patients uuid[], bodies text[])
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    head audit_head;
    entry record;
    link bytea;
BEGIN
    SELECT * INTO STRICT head FROM audit_head FOR UPDATE;
    FOR entry IN
        SELECT * FROM unnest(kinds, participants, patients, bodies) AS given (kind, participant, patient, body)
    LOOP
        link := audit_hash(head.hash, head.sequence + 1, entry.kind, entry.participant, entry.patient, entry.body::json);
        INSERT INTO audit_event (sequence, kind, participant, patient, body, previous, hash)
        VALUES (head.sequence + 1, entry.kind, entry.participant, entry.patient, entry.body::json, head.hash, link);
        head.sequence := head.sequence + 1;
        head.hash := link;
    END LOOP;
    UPDATE audit_head SET sequence = head.sequence, hash = head.hash;
    RETURN head.sequence;
END $$;

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: the audit log is append-only', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_event
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seal
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER append_only BEFORE INSERT OR DELETE OR TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();

-- Software of a participant that may ask for tokens (SMART Backend Services).
CREATE TABLE client (
    client_id text PRIMARY KEY,
    participant text NOT NULL,
    jwks jsonb NOT NULL,
    scopes text[] NOT NULL,
    roles text[] NOT NULL,
    purposes text[] NOT NULL,                  -- v3-ActReason
    registered timestamptz NOT NULL,
    disabled timestamptz
);

-- Client assertions seen, so that none serves twice before it expires (RFC 7523 section 3, jti).
CREATE TABLE client_assertion (
    client_id text NOT NULL,
    jti text NOT NULL,
    expires timestamptz NOT NULL,
    PRIMARY KEY (client_id, jti)
);
CREATE INDEX client_assertion_expires ON client_assertion (expires);

CREATE TABLE revoked_token (
    jti text PRIMARY KEY,
    expires timestamptz NOT NULL
);
CREATE INDEX revoked_token_expires ON revoked_token (expires);

-- True the first time only.
CREATE FUNCTION use_client_assertion(client_id text, jti text, expires timestamptz, at timestamptz)
RETURNS bool LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM client_assertion AS old WHERE old.expires < at;
    INSERT INTO client_assertion VALUES (client_id, jti, expires) ON CONFLICT DO NOTHING;
    RETURN FOUND;
END $$;

CREATE FUNCTION revoke_token(jti text, expires timestamptz, at timestamptz)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    DELETE FROM revoked_token AS old WHERE old.expires < at;
    INSERT INTO revoked_token VALUES (jti, expires) ON CONFLICT DO NOTHING;
END $$;

REVOKE ALL ON FUNCTION audit_append, use_client_assertion, revoke_token FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_append, use_client_assertion, revoke_token TO exchange_api;
GRANT SELECT ON client, revoked_token TO exchange_api;
