-- What Airflow calls its run that this one was begun or gone on with by, so that the console can lead there.
-- NULL: begun from the command line or the console.
ALTER TABLE run ADD COLUMN scheduled text;
