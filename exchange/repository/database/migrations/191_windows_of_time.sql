-- A range of dates is found by where spans begin, within it or shortly before. Those that are long may begin at any
-- time, and have an index of their own: of most records none is.
CREATE INDEX index_date_long ON index_date (param, low) WHERE high - low > interval '2 days';

-- Of several dates of a record one may meet one comparison and another the other: from the first to the last of them is
-- a row of its own, under the number that is the parameter's with every bit turned (several_key()).
INSERT INTO index_date (rid, low, high, param, patient, class)
SELECT rid, min(low), max(high), ~param, min(patient), min(class) FROM index_date GROUP BY rid, param HAVING count(*) > 1;

-- Whoever is left the minimum necessary may search by it where the parameter itself may be searched by.
UPDATE viewer SET searchable = ARRAY(
    SELECT every FROM unnest(searchable) AS one, LATERAL (VALUES (one), (~one)) AS both_of (every) ORDER BY every
) WHERE searchable IS NOT NULL;
