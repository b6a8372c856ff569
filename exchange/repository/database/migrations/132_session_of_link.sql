-- Who signed in by a link chooses a password without knowing one: an administrator gave the link for that.
ALTER TABLE console_session ADD COLUMN by_link boolean NOT NULL DEFAULT false;
