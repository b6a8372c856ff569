"""The Airflow DAGs of what goes out: bundles every hour and every night, and servers that are kept."""

from exchange.scheduling.dags import delivery_dags, targets_dag

globals().update(delivery_dags())
targets = targets_dag()
