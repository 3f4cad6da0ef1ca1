# What frontier asks of nginx and nginxinc/nginx-unprivileged
ARG BASE
FROM ${BASE}
EXPOSE 80
STOPSIGNAL SIGQUIT
ENTRYPOINT ["/docker-entrypoint.sh"]
CMD ["nginx", "-g", "daemon off;"]
