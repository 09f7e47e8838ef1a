#!/usr/bin/env python3
"""Scanners planted in a real access log: are they ranked above everything else that happens on the site?

usage: tests/bench/quality/webscans.py LOG.gz [--seeds 1,2,3] [--elkhound PROGRAM] [--json]

LOG.gz is an access log of some days in common or combined format. Per seed and loudness L (requests in one hour: 5 is a
slow scan, 100 a loud one) twenty scanners, each with an address of its own, are put into hours after the first day. The
log is scored with `scan --preset web_access --bucket-span 1h --train-until (first day)`, and the average precision of
the planted (address, hour) rows over all rows is printed, best order of ties against us.
The scanners are ours; real ones in the log count as false alarms.
"""
import argparse, csv, datetime, gzip, json, os, random, re, subprocess, sys, tempfile

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument("log")
ap.add_argument("--seeds", default="1,2,3")
ap.add_argument("--elkhound", default=os.path.join(os.path.dirname(__file__), "../../../target/release/elkhound"))
ap.add_argument("--json", action="store_true")
a = ap.parse_args()

LOUDNESS = (5, 20, 100)
SCANNERS = 20
NAMES = """wp-login.php wp-admin/ wp-content/plugins/ xmlrpc.php .env .git/config .aws/credentials .DS_Store phpmyadmin/ pma/ mysql/
admin/ administrator/ login.php config.php config.json backup.zip backup.sql db.sql dump.tar.gz shell.php cmd.php test.php info.php
phpinfo.php server-status solr/ jenkins/ manager/html actuator/health api/v1/users console/ cgi-bin/test.cgi cgi-bin/luci boaform/
vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php owa/ autodiscover/ remote/login old/ tmp/ uploads/shell.php .ssh/id_rsa id_rsa
debug/ trace.axd web.config elmah.axd telescope/ graphql portal/ user/register""".split()
TIME = re.compile(r"\[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\]")


def instant(line):
    found = TIME.search(line)
    return datetime.datetime.strptime(found.group(1), "%d/%b/%Y:%H:%M:%S %z") if found else None


def scanner(r, hour, loudness):
    """Address and lines of one scan inside an hour."""
    address = f"198.18.{r.randrange(256)}.{r.randrange(256)}"
    prefix = r.choice(["", "", "", "blog/", "site/"])
    agent = r.choice(["-", "Mozilla/5.0", "python-requests/2.31", "Go-http-client/1.1"])
    lines = []
    for second in sorted(r.sample(range(3600), loudness)):
        t = (hour + datetime.timedelta(seconds=second)).strftime("%d/%b/%Y:%H:%M:%S +0000")
        status = r.choices([404, 403, 200, 301, 400], [80, 8, 5, 4, 3])[0]
        method = r.choices(["GET", "HEAD", "POST"], [85, 10, 5])[0]
        lines.append(f'{address} - - [{t}] "{method} /{prefix}{r.choice(NAMES)} HTTP/1.1" {status} {r.randrange(150, 700)} "-" "{agent}"\n')
    return address, lines


def average_precision(rows):
    """Of (score, is positive) rows; positives come last among ties."""
    rows.sort(key=lambda x: (-x[0], x[1]))
    hits, total = 0, 0.0
    for place, (_, positive) in enumerate(rows, 1):
        if positive:
            hits += 1
            total += hits / place
    return total / max(hits, 1)


with gzip.open(a.log, "rt", errors="replace") as f:
    site = [(t, line) for line in f if (t := instant(line))]
begin = min(t for t, _ in site).astimezone(datetime.timezone.utc)
end = max(t for t, _ in site).astimezone(datetime.timezone.utc)
trained = (begin + datetime.timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
hours = int((end - trained).total_seconds() // 3600)
results = {}
with tempfile.TemporaryDirectory() as folder:
    for seed in map(int, a.seeds.split(",")):
        for loudness in LOUDNESS:
            r = random.Random(f"{seed}/{loudness}")
            planted, lines = set(), list(site)
            for _ in range(SCANNERS):
                hour = trained + datetime.timedelta(hours=r.randrange(hours))
                address, scan = scanner(r, hour, loudness)
                planted.add((address, int(hour.timestamp())))
                lines += [(instant(line), line) for line in scan]
            lines.sort(key=lambda x: x[0])
            log, out = os.path.join(folder, "access.log"), os.path.join(folder, "scores.csv")
            with open(log, "w") as f:
                f.writelines(line for _, line in lines)
            command = [a.elkhound, "scan", "--preset", "web_access", "--bucket-span", "1h", "--train-until", trained.strftime("%Y-%m-%dT%H:%M:%SZ"), log, "--scores", out]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
            with open(out, newline="") as f:
                parse = lambda w: int(datetime.datetime.fromisoformat(w.replace("Z", "+00:00")).timestamp())
                rows = [(float(x["score"]), (x["entity"], parse(x["window"])) in planted) for x in csv.DictReader(f)]
            if sum(p for _, p in rows) != len(planted):
                sys.exit(f"{sum(p for _, p in rows)} of {len(planted)} planted rows were scored")
            results.setdefault(loudness, []).append(average_precision(rows))
if a.json:
    print(json.dumps({f"ap_{n}": v for n, v in results.items()}))
else:
    for n, v in results.items():
        print(f"L = {n:3}: average precision {sum(v) / len(v):.3f} (seeds: {', '.join(f'{x:.3f}' for x in v)})")
