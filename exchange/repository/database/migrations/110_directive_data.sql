-- Which consents name a record (`provision.data`), so that they are held against the person's records again when it comes.
CREATE INDEX directive_data ON directive USING gin (jsonb_path_query_array(body, '$.**.data[*][1]'));
