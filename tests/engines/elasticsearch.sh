#!/usr/bin/env bash
# One Elasticsearch node on 127.0.0.1. Used by ./run.
#   elasticsearch.sh NAME SONAR_VERSION PORT DATA_DIR [setting=value ...]
# Plain HTTP without security, unless ENGINE_PASSWORD is set (8 and 9 only: user elastic, API keys);
# ENGINE_TLS=1 adds HTTPS with a certificate of its own authority, written to DATA_DIR/ca.pem.
here=$(cd "$(dirname "$0")" && pwd)
name=$1 version=$2 port=$3 data=$4
shift 4
. "$here/common.sh"

unpacked=$cache/sonarqube-$version
fetch "$unpacked/.complete" "$here/elasticsearch/pom.xml" dependency:unpack-dependencies \
    -Dsonar.version="$version" -DoutputDirectory="$cache"
home=$unpacked/elasticsearch
if [ -d "$home/lib/tools/server-launcher" ]; then java=$(need_java 21 99); else java=$(need_java 17 24); fi

heap=${ENGINE_HEAP:-1g} scheme=http
mkdir -p "$data"/{tmp,data,logs}
rm -rf "$data/config" "$data/ca.pem"
cp -r "$home/config" "$data/config"
# The jvm.options that comes along needs folders that are not there; a short one does.
printf '%s\n' -XX:+UseG1GC -XX:+ExitOnOutOfMemoryError "-Djava.io.tmpdir=$data/tmp" "-Xms$heap" "-Xmx$heap" \
    >"$data/config/jvm.options"

settings=(discovery.type=single-node http.port="$port" network.host=127.0.0.1 transport.port=0 node.name=test
    path.data="$data/data" path.logs="$data/logs" cluster.routing.allocation.disk.threshold_enabled=false)
secure=false
[ -z "${ENGINE_PASSWORD:-}" ] || secure=true
if [ -d "$home/modules/x-pack-security" ]; then
    settings+=(xpack.security.enabled=$secure xpack.security.autoconfiguration.enabled=false)
fi

# A certificate authority and a node certificate for localhost, made anew at each start.
make_certificates() {
    local store=(-storetype PKCS12 -storepass changeit) keytool=$java/bin/keytool dir=$data/config
    "$keytool" -genkeypair -alias ca -keyalg EC -dname CN=elkhound-test-ca -ext bc:c -validity 3650 -keystore "$dir/ca.p12" "${store[@]}"
    "$keytool" -exportcert -rfc -alias ca -keystore "$dir/ca.p12" "${store[@]}" >"$data/ca.pem"
    "$keytool" -genkeypair -alias node -keyalg EC -dname CN=localhost -validity 3650 -keystore "$dir/http.p12" "${store[@]}"
    "$keytool" -certreq -alias node -keystore "$dir/http.p12" "${store[@]}" |
        "$keytool" -gencert -rfc -alias ca -ext san=dns:localhost,ip:127.0.0.1 -validity 3650 -keystore "$dir/ca.p12" "${store[@]}" >"$dir/node.pem"
    "$keytool" -importcert -noprompt -alias ca -file "$data/ca.pem" -keystore "$dir/http.p12" "${store[@]}"
    cat "$data/ca.pem" >>"$dir/node.pem"
    "$keytool" -importcert -noprompt -alias node -file "$dir/node.pem" -keystore "$dir/http.p12" "${store[@]}"
}
if [ "${ENGINE_TLS:-}" = 1 ]; then
    [ $secure = true ] || die "ENGINE_TLS=1 needs ENGINE_PASSWORD"
    make_certificates 2>>"$data/keytool.log" || die "keytool failed, see $data/keytool.log"
    settings+=(xpack.security.http.ssl.enabled=true xpack.security.http.ssl.keystore.path=http.p12)
    scheme=https
fi
arguments=()
for setting in "${settings[@]}" "$@"; do arguments+=(-E "$setting"); done

# How a node is started differs by line: 9 has a server launcher, 8 a command line, 7 the plain main class.
properties=(-Des.path.home="$home" -Des.path.conf="$data/config" -Des.distribution.type=zip)
if [ -d "$home/lib/tools/server-launcher" ]; then
    command=(-Xmx64m -XX:+UseSerialGC -Delkhound.data="$data" -cp 'lib/tools/server-launcher/*' org.elasticsearch.server.launcher.ServerLauncher)
elif [ -d "$home/lib/tools/server-cli" ]; then
    command=(-Xmx64m -XX:+UseSerialGC -Dcli.name=server -Dcli.script=bin/elasticsearch -Dcli.libs=lib/tools/server-cli
        "${properties[@]}" -cp 'lib/*:lib/cli-launcher/*' org.elasticsearch.launcher.CliToolLauncher)
else
    # Without the first two properties SIGTERM closes HTTP, but the process never ends.
    command=(-Dlog4j2.disable.jmx=true -Dlog4j.shutdownHookEnabled=false "-Xms$heap" "-Xmx$heap" -XX:+ExitOnOutOfMemoryError
        "-Djava.io.tmpdir=$data/tmp" "${properties[@]}" -cp 'lib/*' org.elasticsearch.bootstrap.Elasticsearch)
fi

# Elasticsearch refuses to run as root: drop to a plain uid (no account is needed).
as=()
if [ "$(id -u)" = 0 ]; then
    reachable "$home" || die "user $uid cannot enter $home: set ENGINE_CACHE to a folder it can"
    reachable "$data" || die "user $uid cannot enter $data: set ENGINE_DATA to a folder it can"
    chown -R "$uid" "$data"
    as=(setpriv --reuid="$uid" --regid="$uid" --clear-groups)
fi
# A cleared environment: the node writes its environment into logs and launch descriptors.
launch=("${as[@]}" env -i PATH="$PATH" ES_TMPDIR="$data/tmp" LIBFFI_TMPDIR="$data/tmp" JAVA="$java/bin/java" JAVA_HOME="$java"
    ES_JAVA_HOME="$java" ES_HOME="$home" ES_PATH_CONF="$data/config" ES_DISTRIBUTION_TYPE=zip JAVA_TYPE=JAVA_HOME
    CLI_JAVA_OPTS=-Xmx64m "$java/bin/java")
add_secret() {
    "${launch[@]}" -Dcli.name= -Dcli.script=bin/elasticsearch-keystore -Dcli.libs=lib/tools/keystore-cli "${properties[@]}" \
        -cp 'lib/*:lib/cli-launcher/*' org.elasticsearch.launcher.CliToolLauncher add -x -f "$1" >&2
}
cd "$home"
if [ $secure = true ]; then
    echo -n "$ENGINE_PASSWORD" | add_secret bootstrap.password
    [ $scheme = http ] || echo -n changeit | add_secret xpack.security.http.ssl.keystore.secure_password
fi
setsid "${launch[@]}" "${command[@]}" "${arguments[@]}" >"$data/out.log" 2>&1 </dev/null &
echo $! >"$data/pid"
wait_healthy "$scheme://127.0.0.1:$port"
