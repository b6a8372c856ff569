-- $match finds its candidates as a viewer: by the keys of those Patients alone that he sees.
GRANT SELECT ON blocking_key TO exchange_api;
ALTER TABLE blocking_key ENABLE ROW LEVEL SECURITY;
CREATE POLICY disclosed ON blocking_key FOR SELECT TO exchange_api USING (sees_patient(patient));
