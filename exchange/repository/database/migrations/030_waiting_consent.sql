-- Directives of Consents that came before the Patient they are about; they bind when that Patient is entered.

CREATE TABLE waiting_directive (
    consent uuid PRIMARY KEY,                  -- fhir_id of the Consent
    about uuid NOT NULL,                       -- fhir_id of the Patient who was not sent yet
    partner text NOT NULL,
    event_time timestamptz,
    body jsonb NOT NULL                        -- exchange.consent.Directive.to_json()
);
CREATE INDEX waiting_directive_about ON waiting_directive (about);
