-- Of a partner that the statistics do not know, since it has just begun to send, the planner expects no record: any index
-- that begins with the partner will do for it, and all the partner sent is read for each key that is looked up. Only the
-- index of keys begins with the partner now.
DROP INDEX source_record_number;
CREATE INDEX source_record_number ON source_record (number_of_key(key), partner, record);
DROP INDEX carried_key;
CREATE INDEX carried_key ON carried (key, feed, partner);
