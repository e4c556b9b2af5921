# The producer and the server in a container, for compose.yaml. The demo itself needs none: ./run.sh.
FROM python:3.13-slim-bookworm

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /demo

COPY requirements/demo.lock requirements/
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/demo.lock

COPY producer.py perspective_server.py index.html ./
COPY history history
COPY live live
COPY page page
COPY producing producing
COPY protocol protocol
COPY tdengine tdengine
COPY web web

# Nothing of the demo writes to a file.
RUN useradd --system --uid 10001 --no-create-home demo
USER 10001

EXPOSE 8080

# Where no PSP_TOKEN is given the server makes a token that nobody else knows, and 403 says that it is there.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["python", "-c", "\
import http.client, os, sys; \
server = http.client.HTTPConnection('127.0.0.1', 8080, timeout=3); \
server.request('GET', '/status', headers={'Authorization': 'Bearer ' + os.environ.get('PSP_TOKEN', '')}); \
sys.exit(server.getresponse().status not in (200, 403))"]

CMD ["python", "perspective_server.py", "--address", "0.0.0.0"]
