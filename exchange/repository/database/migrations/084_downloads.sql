-- Notices that wait to be fetched by somebody of the participant who signs in; what they hold is read, decided and
-- recorded when they are.
ALTER TABLE delivery
    ADD COLUMN expires timestamptz,            -- of one that is ready to be fetched
    DROP CONSTRAINT delivery_state_check,
    ADD CHECK (state IN ('open', 'ready', 'acknowledged', 'nothing', 'parked', 'replayed'));
CREATE INDEX delivery_ready ON delivery (subscription, expires) WHERE state = 'ready';
