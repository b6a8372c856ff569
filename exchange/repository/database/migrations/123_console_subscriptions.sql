-- Subscriptions that a participant's own people make at the console, beside those of partner.yaml and of the API.
ALTER TABLE subscription DROP CONSTRAINT subscription_declared_check,
    ADD CONSTRAINT subscription_declared_check CHECK (declared IN ('partner.yaml', 'api', 'console'));
