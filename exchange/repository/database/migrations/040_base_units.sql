-- Quantities also in the base units of UCUM, so that 5 mg is found as 0.005 g. Rows that were there before get
-- theirs by `exchange database reindex`.
ALTER TABLE index_quantity
    ADD base_value float8 NOT NULL DEFAULT 0,
    ADD base int NOT NULL DEFAULT 0;           -- hash of the base unit; 0: cannot be converted
CREATE INDEX index_quantity_base ON index_quantity (base, param, base_value);
