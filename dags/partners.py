"""One Airflow DAG per partner folder of mappings/ that sends something."""

from exchange.scheduling.dags import partner_dags

globals().update(partner_dags())
