# Shared by opensearch.sh and elasticsearch.sh; sourced, not run. Callers set: name, data.
set -euo pipefail

# As root the nodes run as another user, who cannot look into root's home.
uid=$(id -u)
if [ "$uid" = 0 ]; then default_cache=/var/cache/elkhound-engines; else default_cache=$HOME/.cache/elkhound-engines; fi
cache=${ENGINE_CACHE:-$default_cache}
[ "$uid" != 0 ] || uid=${ENGINE_UID:-65534}

# Whether the user the nodes run as can enter a folder.
reachable() { [ "$uid" = "$(id -u)" ] || setpriv --reuid="$uid" --regid="$uid" --clear-groups test -x "$1"; }

say() { echo "engines: $*" >&2; }
die() { say "$*"; exit 1; }

# The smallest installed JDK whose major version lies in $1..$2. ENGINE_JAVA_HOME is tried first.
java_home() {
    local home version best= best_version=999
    for home in ${ENGINE_JAVA_HOME:-} ${JAVA_HOME:-} /usr/lib/jvm/* /opt/java/* /Library/Java/JavaVirtualMachines/*/Contents/Home; do
        [ -f "$home/release" ] && [ -x "$home/bin/java" ] || continue
        version=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$home/release")
        if [ "${version:-0}" -ge "$1" ] && [ "$version" -le "$2" ]; then
            if [ "$home" = "${ENGINE_JAVA_HOME:-}" ]; then echo "$home"; return; fi
            if [ "$version" -lt "$best_version" ]; then best=$home best_version=$version; fi
        fi
    done
    [ -n "$best" ] && echo "$best"
}

# As java_home, but on Debian as root it installs what is missing first.
need_java() {
    java_home "$1" "$2" && return
    local package
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq >&2 || true
        for package in openjdk-17-jre-headless openjdk-21-jre-headless openjdk-25-jre-headless; do
            version=${package#openjdk-}; version=${version%%-*}
            [ "$version" -ge "$1" ] && [ "$version" -le "$2" ] || continue
            apt-get install -y -qq "$package" >&2 && java_home "$1" "$2" && return
        done
    fi
    die "no JDK $1..$2 found; install one or set ENGINE_JAVA_HOME"
}

need_maven() {
    command -v mvn >/dev/null && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq >&2 || true
        apt-get install -y -qq maven >&2 && return
    fi
    die "Maven (mvn) is needed to fetch the engine"
}

# Runs Maven once per artifact: fetch STAMP POM GOAL ARGUMENT...; a lock keeps parallel starts apart.
fetch() {
    local stamp=$1 pom=$2
    shift 2
    [ -f "$stamp" ] && return
    need_maven
    mkdir -p "$(dirname "$stamp")"
    (
        flock 9
        [ -f "$stamp" ] && exit
        say "fetching $name (once, into $cache)"
        mvn -q -B -f "$pom" "$@" >&2 && touch "$stamp"
    ) 9>"$cache/.lock" || die "Maven could not fetch $name"
}

# The pid in DATA/pid, if that process is alive and really is the node of this folder.
alive() {
    local pid
    pid=$(cat "$1/pid" 2>/dev/null) || return 1
    if [ -r "/proc/$pid/cmdline" ]; then
        tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF "$1" || return 1
    fi
    kill -0 "$pid" 2>/dev/null && echo "$pid"
}

stop_node() {
    local pid
    if pid=$(alive "$1"); then
        kill "$pid" 2>/dev/null || true
        for _ in $(seq 60); do kill -0 "$pid" 2>/dev/null || break; sleep 0.5; done
        kill -9 -- "-$pid" 2>/dev/null || true # its process group: setsid made it a leader
    fi
    rm -f "$1/pid" "$1/url"
}

# wait_healthy URL: until the node answers yellow or better, dies, or 600 s are over: several nodes may start while code is being built.
wait_healthy() {
    local url=$1 end=$((SECONDS + 600)) curl_args=()
    [ -z "${ENGINE_PASSWORD:-}" ] || curl_args+=(-u "elastic:$ENGINE_PASSWORD")
    [ ! -f "$data/ca.pem" ] || curl_args+=(--cacert "$data/ca.pem")
    while [ $SECONDS -lt $end ]; do
        if curl -sf "${curl_args[@]}" "$url/_cluster/health?wait_for_status=yellow&timeout=5s" >/dev/null; then
            echo "$url" >"$data/url"
            return 0
        fi
        if ! kill -0 "$(cat "$data/pid")" 2>/dev/null; then
            tail -20 "$data/out.log" >&2
            rm -f "$data/pid"
            die "$name ended while starting, see $data/out.log"
        fi
        sleep 0.5
    done
    stop_node "$data"
    die "$name was not healthy after 600 s, see $data/out.log"
}
