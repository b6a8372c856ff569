-- What pages show of the ledger, counted by the run that changes it and not by whoever looks.

-- Outcomes of a closed run: its records change no more.
ALTER TABLE run ADD records jsonb;
UPDATE run r SET records = coalesce((
    SELECT jsonb_object_agg(outcome, n) FROM (
        SELECT outcome, count(*) AS n FROM source_record s WHERE s.run = r.run AND outcome IS NOT NULL GROUP BY 1
    ) AS counted), '{}')
WHERE status <> 'open';
CREATE INDEX run_partner ON run (partner, run);

-- Reasons of what waits for a fix, as of the end of the partner's last run.
CREATE TABLE quarantine_waiting (
    partner text PRIMARY KEY,
    records int NOT NULL,
    reasons jsonb NOT NULL                     -- [{code, expression, detail, records, example}], most first
);
CREATE INDEX quarantine_open ON quarantine (record) WHERE replayed_by IS NULL AND severity IN ('error', 'fatal');
CREATE INDEX quarantine_consents ON quarantine (record)
    WHERE replayed_by IS NULL AND severity IN ('error', 'fatal') AND expression LIKE 'Consent%';

INSERT INTO quarantine_waiting (partner, records, reasons)
WITH found AS (
    SELECT s.partner, q.record, q.code, q.expression, q.detail
    FROM quarantine q JOIN source_record s USING (record)
    WHERE q.replayed_by IS NULL AND q.severity IN ('error', 'fatal') AND NOT EXISTS (
        SELECT FROM source_record n
        WHERE n.partner = s.partner AND n.feed = s.feed AND n.key = s.key AND n.record > s.record
          AND (n.chunk IS NOT NULL OR n.deleted))
), reason AS (
    SELECT partner, code, expression, detail, count(DISTINCT record)::int AS records, max(record) AS example
    FROM found GROUP BY 1, 2, 3, 4
)
SELECT partner, (SELECT count(DISTINCT record) FROM found f WHERE f.partner = reason.partner),
    jsonb_agg(to_jsonb(reason) - 'partner' ORDER BY records DESC, example DESC)
FROM reason GROUP BY 1;
