-- What a run pulled of a key already is found without what earlier runs pulled of it, and without the rest of the run.
CREATE INDEX source_record_of_key ON source_record (partner, feed, key, record);
DROP INDEX source_record_key;
