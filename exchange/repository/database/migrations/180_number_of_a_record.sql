-- A record is found by the number its partner knows it by: a message's control id, a document's or a resource's id, a row's
-- key, a file's name. The key of a message is its senders, control id and time; that of a document its root and id.
CREATE FUNCTION number_of_key(key text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN CASE
    WHEN key LIKE '%|%|%|%' THEN split_part(key, '|', 3)
    WHEN key LIKE '%|%' THEN split_part(key, '|', 2)
    ELSE split_part(key, '/', -1)
END;
CREATE INDEX source_record_number ON source_record (partner, number_of_key(key), record);
