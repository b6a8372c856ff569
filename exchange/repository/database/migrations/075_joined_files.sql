-- What a document was joined with while it was split, by the file's name: where it lies in the landing store.
ALTER TABLE document ADD COLUMN beside jsonb NOT NULL DEFAULT '{}';
