-- Whether a record has a code is asked of one record at a time, by itself and the code together. With the record alone,
-- plans that do not know the code read all records that have it as well, for every record they look at.
CREATE INDEX index_token_rid_key ON index_token (rid, key);
DROP INDEX index_token_rid;
