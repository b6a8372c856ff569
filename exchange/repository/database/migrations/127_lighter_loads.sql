-- A load is mostly written rows: what is written for nothing goes.
-- Every record's outcome is written once more after it was pulled; with room on its page no index is.
ALTER TABLE source_record SET (fillfactor = 50);
-- Patients and classes are never deleted, and who writes a record holds the lock of its person: to look both up again
-- for every row was a third of its cost. docs/decisions/0125-loading.md
ALTER TABLE resource DROP CONSTRAINT resource_patient_fkey, DROP CONSTRAINT resource_class_fkey;
-- Long bodies are packed with less work where the server knows how to.
DO $$ BEGIN
    ALTER TABLE resource ALTER COLUMN body SET COMPRESSION lz4;
    ALTER TABLE resource_history ALTER COLUMN body SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN NULL;
END $$;
