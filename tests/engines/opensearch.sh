#!/usr/bin/env bash
# One OpenSearch node on 127.0.0.1, plain HTTP, no security. Used by ./run.
#   opensearch.sh NAME RUNNER_VERSION PORT DATA_DIR [setting=value ...]
here=$(cd "$(dirname "$0")" && pwd)
name=$1 version=$2 port=$3 data=$4
shift 4
. "$here/common.sh"

case $version in
2.*) java=$(need_java 11 21)/bin/java ;;
*) java=$(need_java 21 99)/bin/java ;;
esac
libs=$cache/opensearch-$version
fetch "$libs/.complete" "$here/opensearch/pom.xml" dependency:copy-dependencies \
    -Drunner.version="$version" -DoutputDirectory="$libs"

heap=${ENGINE_HEAP:-1g}
setsid "$java" -Xms"$heap" -Xmx"$heap" -XX:+ExitOnOutOfMemoryError -cp "$libs/*" \
    "$here/opensearch/Node.java" "$data" "$port" "$@" >"$data/out.log" 2>&1 </dev/null &
echo $! >"$data/pid"
wait_healthy "http://127.0.0.1:$port"
