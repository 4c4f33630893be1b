# snowpipe-ml with the embedded warehouse: docs/how-to/ci.md says how to run it
FROM python:3.12-slim AS build
WORKDIR /source
COPY . .
RUN python -m venv /opt/snowpipe-ml \
    && /opt/snowpipe-ml/bin/pip install --no-cache-dir --no-compile ".[local]"

FROM python:3.12-slim
RUN useradd --uid 1000 --create-home snowpipe
COPY --from=build /opt/snowpipe-ml /opt/snowpipe-ml
ENV PATH=/opt/snowpipe-ml/bin:$PATH
USER 1000
WORKDIR /work
ENTRYPOINT ["snowpipe-ml"]
CMD ["--help"]
