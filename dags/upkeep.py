"""The Airflow DAG that keeps the exchange true as time passes."""

from exchange.scheduling.dags import upkeep_dag

upkeep = upkeep_dag()
