-- Pairs of patients that are not one person although links would join them: a steward said so (that sticks),
-- or the two records contradict each other. Readers see a pair when they see both Patients.
CREATE TABLE patient_apart (
    a int NOT NULL REFERENCES patient,
    b int NOT NULL REFERENCES patient,
    authority text NOT NULL CHECK (authority IN ('steward', 'model')),
    PRIMARY KEY (a, b), CHECK (a < b)
);
CREATE INDEX patient_apart_b ON patient_apart (b);

GRANT SELECT ON patient_apart TO exchange_api;
ALTER TABLE patient_apart ENABLE ROW LEVEL SECURITY;
CREATE POLICY disclosed ON patient_apart FOR SELECT TO exchange_api USING (
    EXISTS (SELECT FROM patient p WHERE p.patient = patient_apart.a)
    AND EXISTS (SELECT FROM patient p WHERE p.patient = patient_apart.b)
);

-- A steward's queue, and the decisions on one patient, are read by either side of the pair.
CREATE INDEX match_review_b ON match_review (b);
CREATE INDEX link_event_a ON link_event (a);
