# What frontier asks of prom/alertmanager
ARG BASE
FROM ${BASE}
WORKDIR /alertmanager
USER nobody
EXPOSE 9093
VOLUME /alertmanager
ENTRYPOINT ["/bin/alertmanager"]
CMD ["--config.file=/etc/alertmanager/alertmanager.yml", "--storage.path=/alertmanager"]
