-- Who switched a client off: a participant lets in again what it switched off itself, nothing else.
ALTER TABLE client ADD COLUMN disabled_by text CHECK (disabled_by IN ('exchange', 'participant'));
UPDATE client SET disabled_by = 'exchange' WHERE disabled IS NOT NULL;
ALTER TABLE client ADD CONSTRAINT client_off_by_somebody CHECK ((disabled IS NULL) = (disabled_by IS NULL));

-- Tokens from before stay refused: whoever switched it off may have feared for them.
ALTER TABLE client ADD COLUMN let_in timestamptz;
