-- What goes out by itself: who subscribed to which events, the events, and what became of each delivery.
-- Kinds and ids only: whatever is sent is read, decided and recorded at the moment of sending.

CREATE TABLE subscription (
    subscription int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    participant text NOT NULL,
    name text NOT NULL,                        -- of the entry in partner.yaml, or id of the FHIR Subscription
    declared text NOT NULL CHECK (declared IN ('partner.yaml', 'api')),
    facts jsonb NOT NULL,                      -- exchange.model.delivery.Delivery
    topics text[] NOT NULL,
    started timestamptz NOT NULL,
    ended timestamptz,                         -- its entry was taken away; what was open is not sent any more
    paused timestamptz,
    not_before timestamptz,                    -- the destination does not answer: nobody tries before
    notifications bigint NOT NULL DEFAULT 0,   -- of those that held something, so that no number tells of others
    UNIQUE (participant, name)
);

CREATE TABLE outbox (
    event bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,                       -- exchange.model.delivery.TOPICS
    at timestamptz NOT NULL,
    happened timestamptz,                      -- as the source says
    type text NOT NULL,
    fhir_id uuid NOT NULL,
    rendition smallint NOT NULL DEFAULT 0,     -- of which form of the record it is true
    partner text NOT NULL,                     -- whose record it is; '': the exchange's own knowledge
    patient int,
    other int                                  -- of a person merged or split: a patient of the other side
);

-- An event for one subscription; until a delivery takes it, it waits.
CREATE TABLE delivery_event (
    subscription int NOT NULL REFERENCES subscription,
    event bigint NOT NULL,
    topic text NOT NULL,
    at timestamptz NOT NULL,
    type text NOT NULL,
    fhir_id uuid NOT NULL,
    rendition smallint NOT NULL,
    patient int,
    other int,
    person uuid,
    delivery uuid,
    PRIMARY KEY (subscription, event)
);
CREATE INDEX delivery_event_waiting ON delivery_event (subscription, person, event) WHERE delivery IS NULL;
CREATE INDEX delivery_event_delivery ON delivery_event (delivery) WHERE delivery IS NOT NULL;

CREATE TABLE delivery (
    delivery uuid PRIMARY KEY,                 -- the idempotency key
    subscription int NOT NULL REFERENCES subscription,
    person uuid,                               -- NULL: a bundle of several, or about nobody
    state text NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'acknowledged', 'nothing', 'parked', 'replayed')),
    created timestamptz NOT NULL,
    next_attempt timestamptz NOT NULL,
    attempts int NOT NULL DEFAULT 0,
    problem text,                              -- of the last attempt, in words of ours
    ended timestamptz
);
-- In order per patient: nothing later is taken up while something earlier is open.
CREATE UNIQUE INDEX delivery_open ON delivery (subscription, person) NULLS NOT DISTINCT WHERE state = 'open';
CREATE INDEX delivery_due ON delivery (subscription, next_attempt) WHERE state = 'open';
CREATE INDEX delivery_parked ON delivery (subscription) WHERE state = 'parked';

-- What one delivery gave to its recipient; written before it leaves. No content.
CREATE TABLE receipt (
    receipt bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    delivery uuid NOT NULL REFERENCES delivery,
    participant text NOT NULL,
    role text NOT NULL,
    purpose text NOT NULL,
    at timestamptz NOT NULL,                   -- of the first attempt with this content
    content bytea NOT NULL,                    -- SHA-256 of what was sent, without times of sending
    because text[] NOT NULL,                   -- rules and consents that let it out
    obligations text[] NOT NULL,
    consents text[] NOT NULL,                  -- Consent/<id>/_history/<version> behind `because`
    rules_digest text NOT NULL,
    withheld jsonb NOT NULL,                   -- number of its events withheld, by category
    outcome text CHECK (outcome IN ('acknowledged', 'refused', 'unanswered')),
    answered timestamptz,
    detail text,
    UNIQUE (delivery, content)
);
CREATE TABLE receipt_item (
    receipt bigint NOT NULL REFERENCES receipt,
    type text NOT NULL,
    fhir_id uuid NOT NULL,                     -- as the recipient knows it
    version text NOT NULL,
    about uuid,                                -- Patient as the recipient knows the person
    classes int[] NOT NULL,                    -- disclosure classes: labels, consents, source
    sources uuid[] NOT NULL DEFAULT '{}',      -- of a golden Patient: what it was composed from
    PRIMARY KEY (receipt, type, fhir_id)
);
CREATE INDEX receipt_item_record ON receipt_item (type, fhir_id);
CREATE INDEX receipt_item_sources ON receipt_item USING gin (sources) WHERE type = 'Patient';

-- Events a recipient subscribed to and was not told of, each with the exception it falls under (45 CFR 171).
CREATE TABLE delivery_withheld (
    delivery uuid NOT NULL REFERENCES delivery,
    event bigint NOT NULL,
    at timestamptz NOT NULL,
    category text NOT NULL,                    -- exchange.delivery.withholding.Category
    because text[] NOT NULL,
    exception text,                            -- NULL: nothing was kept from him
    PRIMARY KEY (delivery, event)
);

-- Consents and persons: the row that binds, and the row that tells of a merge, are written in one place each,
-- but changed by many. The event is part of the row's own transaction whoever writes it.
CREATE FUNCTION consent_goes_to_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed directive := coalesce(NEW, OLD);
BEGIN
    IF EXISTS (SELECT FROM subscription WHERE ended IS NULL AND 'consent-change' = ANY (topics)) THEN
        INSERT INTO outbox (topic, at, happened, type, fhir_id, partner, patient) VALUES (
            'consent-change', clock_timestamp(), changed.event_time,
            'Consent', changed.consent, changed.partner, changed.patient);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER outbox AFTER INSERT OR UPDATE OR DELETE ON directive
    FOR EACH ROW EXECUTE FUNCTION consent_goes_to_outbox();

CREATE FUNCTION person_goes_to_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    named text := CASE NEW.kind WHEN 'person.merged' THEN 'person-merged' ELSE 'person-split' END;
BEGIN
    INSERT INTO outbox (topic, at, happened, type, fhir_id, partner, patient, other)
    SELECT named, NEW.at, NEW.at, 'Patient', p.fhir_id, '', NEW.a, NEW.b FROM patient p
    WHERE p.patient = NEW.a
      AND EXISTS (SELECT FROM subscription WHERE ended IS NULL AND named = ANY (topics));
    RETURN NULL;
END $$;
CREATE TRIGGER outbox AFTER INSERT ON link_event
    FOR EACH ROW WHEN (NEW.kind IN ('person.merged', 'person.split'))
    EXECUTE FUNCTION person_goes_to_outbox();
