FROM python:3.11-slim

RUN apt-get update && apt-get install -y --no-install-recommends curl && rm -rf /var/lib/apt/lists/* \
 && useradd --system --create-home --uid 10001 exchange \
 && install -d -o exchange -g exchange /var/lib/exchange /var/lib/airflow

WORKDIR /srv/exchange
COPY requirements ./requirements
RUN pip install --no-cache-dir --require-hashes -r requirements/production.txt
COPY pyproject.toml README.md ./
COPY exchange ./exchange
COPY dags ./dags
COPY mappings ./mappings
COPY consent ./consent
RUN pip install --no-cache-dir --no-deps --no-build-isolation .

USER exchange
ENV PYTHONUNBUFFERED=1 EXCHANGE_HOME=/srv/exchange
CMD ["exchange", "--help"]
