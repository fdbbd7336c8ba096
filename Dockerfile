# The inference server as an image: built, tested for a model and stripped to what runs.
#
#   docker build -t raisin-infer .
#   docker run -p 8000:8000 raisin-infer
#
# To renew the base: docker buildx imagetools inspect node:22-bookworm-slim, and write tag and digest below.
ARG BASE=node:22.23.3-bookworm-slim@sha256:43ac6c60b8f89723f746e8a92ce91abd5017e627ce1ddfe4238355d3a30b772c

FROM ${BASE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
# The store of the build context if it has a production model, else one trained on the bundled raisins; of either only
# the registry and the runs that it names go on.
RUN node scripts/build.mjs \
    && { test -f miniflow/registry.json || node build/cli.js train --quiet; } \
    && node scripts/image-files.mjs /image

FROM ${BASE}
ENV NODE_ENV=production
WORKDIR /app
# Owned by root and not to be written by the user below. build/server.js holds the production dependencies, and nothing
# else is installed.
COPY --from=build /image /app
USER 65532:65532
EXPOSE 8000
# Bash opens the socket itself: another Node for each check would take half of the memory that is allowed.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8000 && printf 'GET /readyz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && test \"$status\" = 200"]
ENTRYPOINT ["node", "--max-old-space-size=48", "--max-semi-space-size=1", "--no-maglev", "build/cli.js", "serve", "--host", "0.0.0.0"]
