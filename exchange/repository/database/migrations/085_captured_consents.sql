-- A consent that an officer took from a signed form goes through the five steps in a run of its own.
ALTER TABLE run DROP CONSTRAINT run_kind_check;
ALTER TABLE run ADD CONSTRAINT run_kind_check CHECK (kind IN ('pull', 'replay', 'capture'));
