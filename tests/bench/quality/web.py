"""Scanners planted in a real access log: windows of client address x 1 hour, labelled, as the protocol of the data folder asks.

The first half of the time span is for learning; in the second half each of 60 attackers sends L requests at random seconds of one hour from
an address of its own. Four kinds of tool take turns: lists of hidden files, a hunt for known holes, guessing of passwords, and injections
into pages that exist. The recorded runs behind the published figures are not there, so these are written here; no detector knows them.
"""
import csv, gzip, os, random, re
from datetime import datetime, timedelta, timezone

TIME = re.compile(r"\[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d) ([+-]\d{4})\]")
ATTACKERS = 60
HIDDEN = """.env .git/config .git/HEAD .svn/entries .htaccess .htpasswd backup.zip backup.sql db.sql dump.sql site.tar.gz config.php.bak web.config
wp-config.php~ phpinfo.php info.php test.php admin/ administrator/ manager/html console/ server-status phpmyadmin/ pma/ mysql/ old/ tmp/ private/
logs/error.log id_rsa .aws/credentials .DS_Store composer.json package.json Dockerfile docker-compose.yml swagger.json actuator/env""".split()
HOLES = """cgi-bin/test.cgi?x=() cgi-bin/luci vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php solr/admin/info/system?wt=json _ignition/execute-solution
boaform/admin/formLogin HNAP1 GponForm/diag_Form?images/ struts2-showcase/index.action owa/auth/logon.aspx autodiscover/autodiscover.json
api/jsonws/invoke jmx-console/HtmlAdaptor invoker/readonly axis2/axis2-admin/ remote/fgt_lang?lang=/../../../..//////////dev/cmdb/sslvpn_websession
tmui/login.jsp/..;/tmui/locallb/workspace/fileRead.jsp telescope/requests index.php?s=/Index/\\think\\app/invokefunction level/15/exec/-/sh/run/CR""".split()
INJECTED = ["' OR '1'='1", "1 UNION SELECT NULL,NULL--", "1;WAITFOR DELAY '0:0:5'--", "<script>alert(1)</script>", "../../../../etc/passwd", "{{7*7}}", "$(id)"]
AGENTS = ["Mozilla/5.0 (compatible; Nmap Scripting Engine)", "sqlmap/1.7.2#stable", "python-requests/2.31.0", "Go-http-client/1.1", "curl/7.88.1",
          "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"]


def request(kind, r, pages):
    """Method, path, status, size of one request of a tool."""
    if kind == 0:
        return "GET", "/" + r.choice(HIDDEN), r.choices([404, 403, 200], [90, 8, 2])[0], r.choice([290, 294, 301, 312])
    if kind == 1:
        return r.choice(["GET", "GET", "POST"]), "/" + r.choice(HOLES), r.choices([404, 400, 500], [85, 10, 5])[0], r.choice([290, 306, 226])
    if kind == 2:
        return "POST", r.choice(["/wp-login.php", "/wp-login.php", "/xmlrpc.php", "/admin/login"]), r.choices([404, 401, 403], [70, 20, 10])[0], 299
    quoted = r.choice(INJECTED).replace(" ", "%20").replace("<", "%3C").replace(">", "%3E")
    return "GET", f"{r.choice(pages)}?{r.choice(['id', 'q', 'page', 'file'])}={quoted}", r.choices([200, 404, 500, 403], [45, 35, 15, 5])[0], r.randint(200, 9000)


def plant(log, out, length, seed):
    """Writes OUT/<name>.log and OUT/<name>.windows.csv; returns the name and the end of learning."""
    name = f"l{length}s{seed}"
    lines, pages = [], set()
    with gzip.open(log, "rt", encoding="utf-8", errors="replace") as h:
        for line in h:
            found = TIME.search(line)
            if found:
                lines.append((datetime.strptime(" ".join(found.groups()), "%d/%b/%Y:%H:%M:%S %z").astimezone(timezone.utc), line.rstrip("\n"), False))
                page = line.split('"')[1].split()[1:2]
                pages.update(p.split("?")[0] for p in page)
    first, last = min(t for t, _, _ in lines), max(t for t, _, _ in lines)
    half = hour(first + (last - first) / 2)
    hours = int((last - half).total_seconds() // 3600)
    r, pages = random.Random(f"{seed} {length}"), sorted(pages)
    used = {line.split(" ", 1)[0] for _, line, _ in lines}
    for attacker in range(ATTACKERS):
        address = f"{r.randint(1, 223)}.{r.randint(0, 255)}.{r.randint(0, 255)}.{r.randint(1, 254)}"
        if address in used:
            address = f"198.51.100.{attacker}"
        begin, agent, kind = half + timedelta(hours=r.randrange(hours)), r.choice(AGENTS), attacker % 4
        for second in sorted(r.uniform(0, 3599) for _ in range(length)):
            method, path, status, size = request(kind, r, pages)
            t = begin + timedelta(seconds=second)
            stamp = t.strftime("%d/%b/%Y:%H:%M:%S +0000")
            lines.append((t, f'{address} - - [{stamp}] "{method} {path} HTTP/1.1" {status} {size} "-" "{agent}"', True))
    lines.sort(key=lambda x: x[0])
    windows = {}
    with open(os.path.join(out, name + ".log"), "w", encoding="utf-8") as h:
        for t, line, is_attack in lines:
            print(line, file=h)
            if t >= half:
                key = (hour(t), line.split(" ", 1)[0])
                windows[key] = windows.get(key, False) or is_attack
    with open(os.path.join(out, name + ".windows.csv"), "w", newline="") as h:
        w = csv.writer(h)
        w.writerow(["window", "entity", "positive"])
        w.writerows([t.strftime("%Y-%m-%dT%H:%M:%SZ"), e, int(p)] for (t, e), p in sorted(windows.items()))
    return name, half.strftime("%Y-%m-%dT%H:%M:%SZ")


def hour(t):
    return t.replace(minute=0, second=0, microsecond=0)
