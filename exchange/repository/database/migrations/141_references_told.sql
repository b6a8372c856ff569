-- Every literal reference of a record has a row in index_reference, with param 0 where no search parameter finds it, so
-- that the index tells who refers to a record. Records below `since` were written before that, until all are reindexed.
CREATE TABLE reference_told (
    one bool PRIMARY KEY DEFAULT true CHECK (one),
    since bigint NOT NULL
);
INSERT INTO reference_told (since) SELECT coalesce(max(rid), 0) + 1 FROM resource;
