-- Between two strong links of one record the stronger decides; four bytes cannot tell them apart.
ALTER TABLE patient_edge ALTER COLUMN probability TYPE double precision;
ALTER TABLE match_review ALTER COLUMN probability TYPE double precision;
ALTER TABLE link_event ALTER COLUMN probability TYPE double precision;
