-- What a partner's latest records hold and its maps leave, as it was counted last: names of elements and positions
-- with counts of records, no value of any record.

CREATE TABLE loss_report (
    partner text PRIMARY KEY,
    at timestamptz NOT NULL,
    run bigint NOT NULL,                       -- the partner's last run when it was counted
    maps text NOT NULL,                        -- digest of the maps it was counted with
    most int NOT NULL,                         -- how many records were to be looked at
    report jsonb NOT NULL
);
