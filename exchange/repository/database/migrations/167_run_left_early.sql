-- Of a closed run: records by outcome that went no further than the pull, as `records` are all of them; the picture of
-- a run counts nothing again. Runs closed before are counted when somebody looks.
ALTER TABLE run ADD COLUMN early jsonb;
