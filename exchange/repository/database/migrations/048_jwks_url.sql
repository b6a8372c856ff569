-- Clients that publish their keys under an address of theirs; `jwks` is empty then.
ALTER TABLE client ADD COLUMN jwks_url text;
