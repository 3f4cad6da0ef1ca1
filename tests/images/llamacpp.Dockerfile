# What frontier asks of ghcr.io/ggml-org/llama.cpp:server, whose port is still 8080
ARG BASE
FROM ${BASE}
ENV LLAMA_ARG_HOST=0.0.0.0 LLAMA_ARG_PORT=8080
WORKDIR /app
HEALTHCHECK CMD ["curl", "-f", "http://localhost:8080/health"]
ENTRYPOINT ["/app/llama-server"]
