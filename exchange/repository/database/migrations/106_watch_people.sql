-- Questions about people at the console too (`participant` is then `account <login>`), and about whoever is refused often.
ALTER TABLE access_watch DROP CONSTRAINT access_watch_kind_check,
    ADD CONSTRAINT access_watch_kind_check CHECK (
        kind IN ('volume', 'hours', 'no-relationship', 'protected-person', 'same-name', 'refusals'));
