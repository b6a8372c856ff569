-- A question to the privacy officer about whoever got something under a consent that was entered in error.
ALTER TABLE access_watch DROP CONSTRAINT access_watch_kind_check,
    ADD CONSTRAINT access_watch_kind_check CHECK (kind IN (
        'volume', 'hours', 'no-relationship', 'protected-person', 'same-name', 'same-home', 'own-chart', 'refusals',
        'mistaken-consent'));
