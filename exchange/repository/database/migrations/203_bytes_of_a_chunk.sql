-- A chunk is taken through each step in memory, whole: it is full of so many records, or of so much payload.
ALTER TABLE chunk ADD COLUMN bytes bigint NOT NULL DEFAULT 0;
