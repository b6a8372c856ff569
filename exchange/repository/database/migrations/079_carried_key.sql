-- What is carried over is found by its newest message too, to be forgotten with it.
CREATE INDEX carried_key ON carried (partner, feed, key);
