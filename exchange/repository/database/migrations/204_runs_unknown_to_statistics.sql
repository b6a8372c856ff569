-- A run is new each time: statistics say of a run that they do not know that it has hardly a record, and then each of its
-- chunks was found by reading all of it. Without any, a run is taken for one of two hundred, however much there is.
ALTER TABLE source_record ALTER COLUMN run TYPE bigint;  -- as it is; its statistics go
ALTER TABLE source_record ALTER COLUMN run SET STATISTICS 0;
