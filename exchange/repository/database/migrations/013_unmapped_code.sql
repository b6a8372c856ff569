-- Codes that no code map answered: codes only, never text, counted in records per run.

CREATE TABLE unmapped_code (
    run bigint NOT NULL REFERENCES run,
    feed text NOT NULL,
    code_map text NOT NULL,
    system text NOT NULL,
    code text NOT NULL,                        -- '' where what stood there may be text
    element text NOT NULL,
    position text NOT NULL,
    records int NOT NULL,
    PRIMARY KEY (run, feed, code_map, system, code, element, position)
);
