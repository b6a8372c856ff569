-- On any PostgreSQL, not only the embedded one: the tables that grow are vacuumed and analysed long before a fifth of
-- them has changed. Visibility maps and statistics stay fresh after a load, which is when searches need them.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'resource', 'index_token', 'index_reference', 'index_date', 'index_string', 'index_quantity'
    ] LOOP
        EXECUTE format(
            'ALTER TABLE %I SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05,'
            ' autovacuum_analyze_scale_factor = 0.02)', name);
    END LOOP;
END $$;
-- Changed in place every pass, and never large in one row.
ALTER TABLE target_item SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
