#!/bin/sh
# Sample data: creates the index `logs-demo` and sends a few hundred requests of made-up web traffic into it each ten
# seconds; every twentieth minute one client tries passwords. Needs a shell, awk, date and curl.
set -eu
url=${SEARCH_URL:-http://search:9200}
until curl -sf "$url/_cluster/health?wait_for_status=yellow&timeout=5s" >/dev/null; do sleep 2; done
curl -sf -X PUT "$url/logs-demo" -H 'content-type: application/json' -d '{"settings":{"number_of_replicas":0},"mappings":{"properties":{
 "@timestamp":{"type":"date"},"source":{"properties":{"ip":{"type":"ip"}}},"url":{"properties":{"path":{"type":"keyword"},"original":{"type":"keyword"}}},
 "http":{"properties":{"request":{"properties":{"method":{"type":"keyword"}}},"response":{"properties":{"status_code":{"type":"long"},"body":{"properties":{"bytes":{"type":"long"}}}}}}},
 "user_agent":{"properties":{"original":{"type":"keyword"}}},"message":{"type":"text"}}}}' >/dev/null 2>&1 || true
n=0
while :; do
    now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
    minute=$(date -u +%M)
    awk -v now="$now" -v seed="$n" -v minute="$minute" 'BEGIN {
        srand(seed + 1)
        for (i = 0; i < 200; i++) { ip = "198.51.100." int(rand() * 60 + 1); send(ip, "GET", "/page/" int(rand() * 30), rand() < 0.02 ? 404 : 200) }
        if (minute % 20 == 0) for (i = 0; i < 120; i++) send("203.0.113.77", "POST", "/login", 401)
    }
    function send(ip, method, path, status) {
        printf "{\"create\":{}}\n{\"@timestamp\":\"%s\",\"source\":{\"ip\":\"%s\"},\"url\":{\"path\":\"%s\",\"original\":\"%s\"},\"http\":{\"request\":{\"method\":\"%s\"},\"response\":{\"status_code\":%d,\"body\":{\"bytes\":%d}}},\"user_agent\":{\"original\":\"demo\"},\"message\":\"%s %s %s %d\"}\n", now, ip, path, path, method, status, 500 + int(rand() * 4000), ip, method, path, status
    }' | curl -sf -X POST "$url/logs-demo/_bulk" -H 'content-type: application/x-ndjson' --data-binary @- >/dev/null || true
    n=$((n + 1))
    sleep 10
done
