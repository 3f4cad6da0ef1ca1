# What frontier asks of python:3.13-slim-trixie: `python3` on PATH
ARG BASE
FROM ${BASE}
CMD ["python3"]
