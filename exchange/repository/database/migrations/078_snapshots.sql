-- What the newest message says is all there is of a person's or visit's allergies, diagnoses, relatives …
CREATE TABLE snapshot (
    partner text NOT NULL,
    name uuid NOT NULL,                        -- of the map's entry and the key it names
    sent timestamptz NOT NULL,
    members text[] NOT NULL,                   -- Type/id
    PRIMARY KEY (partner, name)
);
