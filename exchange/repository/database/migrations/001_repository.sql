-- The shared repository. Readers come as role exchange_api, through row-level security, as one viewer.

DO $$
BEGIN
    CREATE ROLE exchange_api LOGIN;            -- no password: an operator who listens on TCP sets one
EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;  -- roles belong to the server: another database, or another process, was first
END $$;

CREATE TABLE participant (
    code text PRIMARY KEY,
    facts jsonb NOT NULL                       -- the organization, agreement and requests of partner.yaml
);

CREATE TABLE viewer (
    viewer int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    participant text NOT NULL,
    role text NOT NULL,
    purpose text NOT NULL,
    emergency bool NOT NULL DEFAULT false,     -- a purpose that only a broken glass opens (consent/vocabulary.yaml)
    UNIQUE (participant, role, purpose)
);

CREATE TABLE consent_profile (
    profile int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest text NOT NULL UNIQUE,
    body jsonb NOT NULL                        -- exchange.consent.Profile.to_json()
);

-- Under which rules and participants everything in `disclosure` was decided; publishers under others are refused.
CREATE TABLE ruling (
    one bool PRIMARY KEY DEFAULT true CHECK (one),
    digest text NOT NULL,
    decided timestamptz NOT NULL
);

CREATE TABLE disclosure_class (
    class int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest text NOT NULL UNIQUE,
    source text NOT NULL,
    type text NOT NULL,
    confidentiality text NOT NULL,
    labels text[] NOT NULL,
    profile int REFERENCES consent_profile,
    matched int[] NOT NULL
);

-- What decide() permitted, and when; a row missing is a denial. A viewer's permit never outlasts that of the
-- repository itself, so that what it may not hold is never shown.
CREATE TABLE disclosure (
    viewer int NOT NULL REFERENCES viewer,
    class int NOT NULL REFERENCES disclosure_class,
    valid_from timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    needs_relationship bool NOT NULL,
    obligations text[] NOT NULL,
    because text[] NOT NULL,
    PRIMARY KEY (viewer, class, valid_from)
);
CREATE INDEX disclosure_by_class ON disclosure (class);

-- Identity: one row per Patient as a source sent it. Links are events; person is derived from patient_edge.
CREATE TABLE patient (
    patient int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fhir_id uuid NOT NULL UNIQUE,
    golden_id uuid NOT NULL UNIQUE,            -- exchange.model.ids.golden_id(fhir_id)
    partner text NOT NULL,
    person uuid NOT NULL,                      -- smallest fhir_id of the connected component
    profile int REFERENCES consent_profile,
    features jsonb NOT NULL,                   -- normalised; strong identifiers as keyed hashes
    active bool NOT NULL DEFAULT true,
    last_event timestamptz,                    -- of anything this partner sent about the patient
    last_encounter timestamptz
);
CREATE INDEX patient_person ON patient (person);

CREATE TABLE patient_edge (                    -- both directions are stored
    a int NOT NULL REFERENCES patient,
    b int NOT NULL REFERENCES patient,
    grade text NOT NULL CHECK (grade IN ('certain', 'probable')),
    probability real NOT NULL,
    basis text NOT NULL,                       -- same-mrn | merge | model:<version> | steward
    PRIMARY KEY (a, b)
);

CREATE TABLE link_event (
    event bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    kind text NOT NULL,                        -- linked | possible | unlinked | kept-apart | person.merged | person.split
    a int NOT NULL REFERENCES patient,
    b int REFERENCES patient,
    grade text,
    probability real,
    basis text NOT NULL,
    evidence jsonb NOT NULL DEFAULT '{}'
);

CREATE TABLE match_review (                    -- possible matches waiting for a steward
    a int NOT NULL REFERENCES patient,
    b int NOT NULL REFERENCES patient,
    probability real NOT NULL,
    evidence jsonb NOT NULL,
    decision text CHECK (decision IN ('link', 'keep-apart')),
    PRIMARY KEY (a, b), CHECK (a < b)
);

CREATE TABLE blocking_key (
    key bigint NOT NULL,
    patient int NOT NULL REFERENCES patient,
    PRIMARY KEY (key, patient)
);
CREATE INDEX blocking_key_patient ON blocking_key (patient);

-- A care relationship of a participant with a Patient, spread over direct certain edges only.
CREATE TABLE relationship (
    participant text NOT NULL,
    patient int NOT NULL REFERENCES patient,
    basis text NOT NULL,                       -- encounter | contribution | panel | referral | attestation | break-glass
    until timestamptz NOT NULL,
    PRIMARY KEY (participant, patient, basis)
);
CREATE INDEX relationship_patient ON relationship (patient);

-- Directives in force or past: FHIR Consents in normal form.
CREATE TABLE directive (
    consent uuid PRIMARY KEY,                  -- fhir_id of the Consent
    patient int NOT NULL REFERENCES patient,
    partner text NOT NULL,
    event_time timestamptz,
    body jsonb NOT NULL                        -- exchange.consent.Directive.to_json()
);
CREATE INDEX directive_patient ON directive (patient);

-- One row per source, resource and rendition. rendition 0 is the whole record, 1.. are redacted ones.
CREATE TABLE resource (
    rid bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type text NOT NULL,
    fhir_id uuid NOT NULL,
    rendition smallint NOT NULL DEFAULT 0,
    partner text NOT NULL,
    patient int REFERENCES patient,            -- NULL: about nobody (Organization, Location, …)
    class int NOT NULL REFERENCES disclosure_class,
    cluster bytea,                             -- NULL: no duplicate is possible
    rank bigint NOT NULL,                      -- of the visible members of a cluster the lowest is shown
    version int NOT NULL,
    updated timestamptz NOT NULL,
    event_time timestamptz,
    record bigint NOT NULL,                    -- source_record in the run ledger
    content_hash bytea NOT NULL,
    mapping_digest text NOT NULL,
    rules_digest text NOT NULL,
    body bytea NOT NULL,       -- JSON as it is served, apart from patient references
    UNIQUE (type, fhir_id, rendition)
);
CREATE INDEX resource_patient ON resource (patient, type);
CREATE INDEX resource_class ON resource (class);
CREATE INDEX resource_cluster ON resource (cluster, patient, rank) WHERE cluster IS NOT NULL;
CREATE INDEX resource_updated ON resource (type, updated, fhir_id);

CREATE TABLE resource_history (
    type text NOT NULL,
    fhir_id uuid NOT NULL,
    rendition smallint NOT NULL,
    version int NOT NULL,
    partner text NOT NULL,
    patient int,
    class int NOT NULL,
    updated timestamptz NOT NULL,
    deleted bool NOT NULL DEFAULT false,
    event_time timestamptz,
    record bigint,
    content_hash bytea,
    body bytea,
    PRIMARY KEY (type, fhir_id, rendition, version)
);
CREATE INDEX resource_history_patient ON resource_history (patient);

-- What decide() kept out of the repository, by rule: the withheld ledger. No content, so that nothing can leak.
CREATE TABLE withheld (
    type text NOT NULL,
    fhir_id uuid NOT NULL,
    partner text NOT NULL,
    patient int REFERENCES patient,
    class int NOT NULL REFERENCES disclosure_class,
    record bigint NOT NULL,
    because text[] NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (type, fhir_id)
);
CREATE INDEX withheld_patient ON withheld (patient);
