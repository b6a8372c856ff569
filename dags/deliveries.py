"""The Airflow DAGs of what goes out in bundles: every hour, and every night."""

from exchange.scheduling.dags import delivery_dags

globals().update(delivery_dags())
