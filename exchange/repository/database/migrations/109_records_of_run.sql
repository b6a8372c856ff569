-- The records of a run, page by page in their order: along this, and not by sorting all of them for each page.
CREATE INDEX source_record_run_record ON source_record (run, record);
