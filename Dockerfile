# syntax=docker/dockerfile:1
# The service as a container: docker build -t datalayer . && docker run -p 127.0.0.1:7070:7070 -v datalayer:/var/lib/datalayer datalayer
# Every command of the build stage is one that eng/test runs too (eng/publish).

FROM node:22-slim AS node

FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
# npm, for the console's charts.
COPY --from=node /usr/local /usr/local
# Python, for the list of parts (eng/sbom).
RUN apt-get update && apt-get install -y --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN eng/publish /app

FROM mcr.microsoft.com/dotnet/aspnet:10.0
COPY --from=build /app /app
RUN mkdir -p /var/lib/datalayer /etc/datalayer && chown 65534:65534 /var/lib/datalayer
COPY --from=build /source/eng/container.yaml /etc/datalayer/datalayer.yaml
USER 65534:65534
VOLUME /var/lib/datalayer
EXPOSE 7070
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["/app/datalayer", "version", "--service", "--server", "http://127.0.0.1:7070"]
ENTRYPOINT ["/app/datalayer"]
CMD ["serve", "--config", "/etc/datalayer/datalayer.yaml"]
