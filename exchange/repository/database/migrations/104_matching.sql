-- How consents were held against the content of records when that was last done for all of them: the edition of
-- the program and which date counts. Under another one everything is matched again, or an upgrade and a changed
-- `data_period` would bind only what arrives after it.
ALTER TABLE ruling ADD COLUMN matching text NOT NULL DEFAULT '';
