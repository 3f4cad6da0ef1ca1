# What frontier asks of quay.io/prometheus/node-exporter
ARG BASE
FROM ${BASE}
USER nobody
EXPOSE 9100
ENTRYPOINT ["/bin/node_exporter"]
