#!/usr/bin/env bash
# Does the Dockerfile build, and does its image run, where there is no container engine? With buildah, as root.
#
#   scripts/image-buildah.sh             # the base image that the Dockerfile names, from its registry
#   scripts/image-buildah.sh --local     # a base made of Debian bookworm and the Node that runs here
#
# Builds the context of a clean checkout, starts the image's own entry as its user on a root that it cannot write, sends
# the two requests of the README, looks at the files, and ends it with SIGTERM. Exits 0 and says why where buildah or
# (for --local) debootstrap is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v buildah > /dev/null; then
  echo "skipped: buildah is not installed (apt-get install buildah)"
  exit 0
fi
export STORAGE_DRIVER="${STORAGE_DRIVER:-vfs}" BUILDAH_ISOLATION="${BUILDAH_ISOLATION:-chroot}"
work="$(mktemp -d)"
containers=()
server=
finish() {
  if [ -n "$server" ]; then kill "$server" 2> /dev/null || true; fi
  for container in "${containers[@]}"; do buildah rm "$container" > /dev/null 2>&1 || true; done
  rm -rf "$work"
}
trap finish EXIT

arguments=()
if [ "${1:-}" = "--local" ]; then
  if ! command -v debootstrap > /dev/null; then
    echo "skipped: debootstrap is not installed (apt-get install debootstrap)"
    exit 0
  fi
  base=localhost/raisin-base
  if ! buildah inspect --type image "$base" > /dev/null 2>&1; then
    echo "== base of Debian bookworm and Node $(node --version)"
    debootstrap --variant=minbase --include=ca-certificates bookworm "$work/root" > "$work/debootstrap.log"
    node="$(readlink -f "$(command -v node)")"
    modules="$(dirname "$node")/../lib/node_modules"
    install -m 755 "$node" "$work/root/usr/local/bin/node"
    mkdir -p "$work/root/usr/local/lib/node_modules"
    cp -rL "$modules/npm" "$work/root/usr/local/lib/node_modules/"
    ln -s ../lib/node_modules/npm/bin/npm-cli.js "$work/root/usr/local/bin/npm"
    # A Node of a distribution is linked against libraries that the base may not have.
    ldd "$node" | awk '$3 ~ /^\// { print $3 }' | while read -r library; do
      [ -e "$work/root$library" ] || install -D -m 755 "$(readlink -f "$library")" "$work/root$library"
    done
    # Certificates that this machine trusts, for npm.
    cp -r /etc/ssl/certs/. "$work/root/etc/ssl/certs/" 2> /dev/null || true
    container="$(buildah from scratch)"
    containers+=("$container")
    buildah add -q "$container" "$work/root" / > /dev/null
    buildah commit -q "$container" "$base" > /dev/null
    rm -rf "$work/root"
  fi
  arguments+=(--build-arg "BASE=$base")
fi

echo "== build"
git archive HEAD | tar x -C "$(mkdir -p "$work/context" && echo "$work/context")"
if [ -d "${RAISIN_IMAGE_STORE:-}" ]; then cp -r "$RAISIN_IMAGE_STORE" "$work/context/miniflow"; fi
# npm's own settings and certificates of this machine, if any, for the build only.
cat "$HOME/.npmrc" > "$work/npmrc" 2> /dev/null || true
if [ -n "${NODE_EXTRA_CA_CERTS:-}" ]; then
  cp "$NODE_EXTRA_CA_CERTS" "$work/extra-ca.pem"
  arguments+=(--volume "$work/extra-ca.pem:/tmp/extra-ca.pem:ro")
  printf '\ncafile=/tmp/extra-ca.pem\n' >> "$work/npmrc"
fi
arguments+=(--volume "$work/npmrc:/usr/local/etc/npmrc:ro")
started=$SECONDS
buildah build -q --format docker "${arguments[@]}" --network=host -t raisin-infer "$work/context" > "$work/image-id"
echo "built in $((SECONDS - started)) s: $(cat "$work/image-id")"

echo "== what is in it"
container="$(buildah from --pull-never raisin-infer)"
containers+=("$container")
root="$(buildah mount "$container")"
du -sh "$root/app"
# A field of the image's configuration, a word a line.
config() {
  buildah inspect --type image raisin-infer | node -e '
    const { Docker } = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
    const value = process.argv[1].split(".").reduce((at, key) => at?.[key], Docker.config);
    for (const word of [value ?? []].flat()) console.log(word);' "$1"
}
user="$(config User)"
mapfile -t entry < <(config Entrypoint)
mapfile -t check < <(config Healthcheck.Test)
echo "user $user, entry: ${entry[*]}"
if [ -n "$(find "$root/app" ! -uid 0 -o -perm -o+w ! -type l | head -1)" ]; then
  echo "FAILED: some files are not root's own, or others may write them"
  exit 1
fi
for path in node_modules test .git src; do
  if [ -e "$root/app/$path" ]; then
    echo "FAILED: $path is in the image"
    exit 1
  fi
done

echo "== run"
# The user cannot write anywhere below /: every directory is root's, and /tmp is taken away as well.
chmod 755 "$root/tmp"
port=8000
started="$(date +%s%N)"
chroot --userspec="$user" "$root" /bin/sh -c 'cd /app && exec "$@"' sh "${entry[@]}" > "$work/log" 2>&1 &
server=$!
for _ in $(seq 100); do
  curl -sf -o /dev/null "localhost:$port/readyz" && break
  sleep 0.1
done
curl -sf -o /dev/null "localhost:$port/readyz" || { cat "$work/log"; echo "FAILED: not ready in 10 s"; exit 1; }
echo "ready after $((($(date +%s%N) - started) / 1000000)) ms"
curl -sf "http://localhost:$port/healthz"
echo
curl -sf -X POST "http://localhost:$port/predict" -H "Content-Type: application/json" \
  -d '{"Area":87524,"MajorAxisLength":442.24,"MinorAxisLength":253.29,"Eccentricity":0.8197,"ConvexArea":90546,"Extent":0.7586,"Perimeter":1184.04}'
echo
grep -E '^(VmHWM|VmRSS)' "/proc/$server/status"
chroot --userspec="$user" "$root" "${check[@]:1}" && echo "health check passed"
kill -TERM "$server"
code=0
wait "$server" || code=$?
server=
echo "SIGTERM: exit code $code"
test "$code" = 0
echo "== passed"
