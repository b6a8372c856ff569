-- When a destination last heard of the exchange: a notification it took, or a heartbeat that was tried.
ALTER TABLE subscription ADD COLUMN spoken timestamptz;
