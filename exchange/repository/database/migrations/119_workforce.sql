-- People who look (accounts of the console, users of participants) and are patients themselves, as far as a privacy
-- officer declared it: so that a look at somebody of their own home, or at their own chart, is a question to him.
-- No reader of the exchange has any right on it.
CREATE TABLE workforce_patient (
    entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    looker text NOT NULL,                      -- `account LOGIN`, or `user PARTICIPANT SUBJECT`
    patient uuid NOT NULL,                     -- id of any Patient of the person
    declared timestamptz NOT NULL,
    declared_by text NOT NULL,
    ended timestamptz,
    ended_by text,
    CHECK ((ended IS NULL) = (ended_by IS NULL))
);
CREATE UNIQUE INDEX workforce_patient_once ON workforce_patient (looker, patient) WHERE ended IS NULL;

ALTER TABLE access_watch DROP CONSTRAINT access_watch_kind_check,
    ADD CONSTRAINT access_watch_kind_check CHECK (kind IN (
        'volume', 'hours', 'no-relationship', 'protected-person', 'same-name', 'same-home', 'own-chart', 'refusals'));

-- What an undecided question rests on is held for questions about accounts of the console too: their records name no
-- participant, and the old comparison found none of them.
CREATE OR REPLACE FUNCTION audit_is_held(wanted audit_event) RETURNS bool LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM legal_hold h WHERE h.lifted IS NULL AND (h.patient IS NULL OR wanted.patient IS NULL))
    OR EXISTS (SELECT FROM legal_hold h WHERE h.lifted IS NULL AND h.patient = wanted.patient)
    OR EXISTS (
        SELECT FROM legal_hold h
        JOIN patient asked ON h.patient IN (asked.fhir_id, asked.golden_id)
        JOIN patient same ON same.person = asked.person
        WHERE h.lifted IS NULL AND wanted.patient IN (same.fhir_id, same.golden_id))
    OR EXISTS (
        SELECT FROM recall_task t JOIN recall_item i USING (recall, participant)
        WHERE t.outcome IS NULL AND wanted.sequence = ANY (i.events))
    OR EXISTS (
        SELECT FROM access_watch w WHERE w.decision IS NULL
          AND w.participant = coalesce(wanted.participant,
              'account ' || (jsonb_path_query_first(
                  wanted.body::jsonb, '$.agent[*] ? (@.requestor == true)') #>> '{who,display}'))
          AND wanted.sequence BETWEEN w.first_event AND w.last_event)
    OR EXISTS (
        SELECT FROM late_disclosure d WHERE d.decision IS NULL AND d.participant = wanted.participant
          AND wanted.sequence BETWEEN d.first_event AND d.last_event);
