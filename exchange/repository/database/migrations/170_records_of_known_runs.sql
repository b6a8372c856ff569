-- Runs are never deleted, and who enters a record has just read its run: to look it up again for every record
-- was half the cost of the row. docs/decisions/0160-written-once.md
ALTER TABLE source_record DROP CONSTRAINT source_record_run_fkey;
