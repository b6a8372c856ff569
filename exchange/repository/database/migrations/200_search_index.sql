-- In which manner the index rows of the records are written (exchange/repository/storage/manner.py): of all of them
-- (`whole`), or so far of those up to the number `reached`. Without a row nobody knows, and all are written anew.
CREATE TABLE search_index (
    manner text PRIMARY KEY,
    reached bigint NOT NULL DEFAULT 0,
    whole bool NOT NULL DEFAULT false
);
