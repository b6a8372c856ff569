#!/bin/sh
# Two databases, two owners: the exchange's may create the reader role, Airflow's sees its metadata only.
set -eu
psql --set ON_ERROR_STOP=1 --username postgres \
  --set exchange="$EXCHANGE_DATABASE_PASSWORD" --set api="$EXCHANGE_API_DATABASE_PASSWORD" \
  --set airflow="$AIRFLOW_DATABASE_PASSWORD" <<'SQL'
CREATE ROLE exchange LOGIN CREATEROLE PASSWORD :'exchange';
CREATE ROLE exchange_api LOGIN PASSWORD :'api';
CREATE DATABASE exchange OWNER exchange;
CREATE ROLE airflow LOGIN PASSWORD :'airflow';
CREATE DATABASE airflow OWNER airflow;
REVOKE CONNECT ON DATABASE exchange, airflow FROM PUBLIC;
GRANT CONNECT ON DATABASE exchange TO exchange_api;
SQL
