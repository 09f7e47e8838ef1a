"""Quiet data, made from a seed: nothing strange happens, so every alarm is a false one. One maker per preset.

Entities differ in size, days and nights differ, weekends do not; counts are Poisson or wider (negative binomial), numbers have short memory
and skewed noise. Each maker writes one file and returns (arguments of scan, end of learning, days that are scored).
"""
import json, math, random
from datetime import datetime, timedelta, timezone

START = datetime(2026, 3, 2, tzinfo=timezone.utc)
LEARN = 4


def stamp(seconds):
    return (START + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def rhythm(seconds, depth, peak):
    return 1 + depth * math.cos(2 * math.pi * (seconds / 86_400 - peak))


def poisson(r, mean):
    if mean > 50:
        return max(0, round(r.gauss(mean, math.sqrt(mean))))
    k, p, limit = 0, r.random(), math.exp(-mean)
    while p > limit:
        k, p = k + 1, p * r.random()
    return k


def wide(r, mean, size=4.0):
    """Negative binomial: Poisson with a gamma-distributed mean."""
    return poisson(r, mean * r.gammavariate(size, 1 / size))


def metrics(path, seed, days, many=60):
    r = random.Random(f"metrics {seed}")
    who = [dict(name=f"host-{i:03}", size=math.exp(r.gauss(4, 1.2)), depth=r.uniform(0, 0.7), peak=r.random(), memory=0.0) for i in range(many)]
    with open(path, "w") as h:
        for t in range(0, days * 86_400, 300):
            for e in who:
                e["memory"] = 0.6 * e["memory"] + r.gauss(0, 0.1)
                level = e["size"] * rhythm(t, e["depth"], e["peak"]) * math.exp(e["memory"])
                requests = poisson(r, level)
                doc = {"@timestamp": stamp(t), "entity": e["name"], "requests": requests, "errors": poisson(r, 0.01 * level),
                       "latency": round(20 * math.exp(r.gauss(0, 0.2)) * (1 + level / 2000), 3), "bytes": round(requests * 900 * math.exp(r.gauss(0, 0.1))),
                       "cpu": round(min(100, 5 + level / 20 + abs(r.gauss(0, 1.5))), 2)}
                print(json.dumps(doc), file=h)
    return ["--preset", "metrics", "--bucket-span", "5m"]


def siem_alerts(path, seed, days, many=40):
    r = random.Random(f"alerts {seed}")
    rules = [f"rule-{i:02}" for i in range(25)]
    who = [(f"host-{i:03}", [(rule, math.exp(r.gauss(-3, 1.5)), r.uniform(0, 0.8), r.random()) for rule in r.sample(rules, 10)]) for i in range(many)]
    with open(path, "w") as h:
        for t in range(0, days * 86_400, 300):
            docs = []
            for name, kinds in who:
                for rule, rate, depth, peak in kinds:
                    docs += [(r.randrange(300), name, rule) for _ in range(wide(r, rate * rhythm(t, depth, peak)))]
            for second, name, rule in sorted(docs):
                print(json.dumps({"@timestamp": stamp(t + second), "host": {"name": name}, "rule": {"id": rule}, "event": {"kind": "alert"}}), file=h)
    return ["--preset", "siem_alerts", "--bucket-span", "5m"]


def web_access(path, seed, days, many=400):
    """Clients of a site: regular ones, and as many new ones every day as fall silent."""
    r = random.Random(f"web {seed}")
    pages = ["/"] + [f"/{s}/{n}" for s in ("blog", "docs", "shop", "img", "static") for n in range(60)]
    weight = [1 / (i + 1) for i in range(len(pages))]
    address = lambda: f"{r.randint(1, 223)}.{r.randint(0, 255)}.{r.randint(0, 255)}.{r.randint(1, 254)}"
    client = lambda: dict(ip=address(), rate=math.exp(r.gauss(1.2, 1.0)), on=r.uniform(0.1, 0.7), peak=r.random(), gone=r.random() < 0.05)
    who = [client() for _ in range(many)]
    with open(path, "w") as h:
        for hour in range(days * 24):
            if hour % 24 == 0:
                who = [client() if c["gone"] or r.random() < 0.05 else c for c in who]
            lines = []
            for c in who:
                if r.random() > c["on"] * rhythm(hour * 3600, 0.8, c["peak"]):
                    continue
                for _ in range(1 + wide(r, c["rate"])):
                    status = r.choices([200, 304, 301, 404, 500], [900, 60, 15, 20, 2])[0]
                    page = r.choices(pages, weight)[0] if status != 404 else f"/blog/old-{r.randrange(40)}"
                    size = 0 if status == 304 else round(math.exp(r.gauss(8.5, 1)))
                    lines.append((hour * 3600 + r.randrange(3600), c["ip"], "POST" if r.random() < 0.02 else "GET", page, status, size))
            for t, ip, method, page, status, size in sorted(lines):
                when = (START + timedelta(seconds=t)).strftime("%d/%b/%Y:%H:%M:%S +0000")
                print(f'{ip} - - [{when}] "{method} {page} HTTP/1.1" {status} {size or "-"} "-" "Mozilla/5.0"', file=h)
    return ["--preset", "web_access", "--bucket-span", "1h"]


def ssh_auth(path, seed, days, many=120):
    r = random.Random(f"ssh {seed}")
    users = [f"user{i}" for i in range(60)]
    who = [(f"10.0.{i // 250}.{i % 250 + 1}", r.sample(users, r.choice([1, 1, 1, 2, 3])), math.exp(r.gauss(-2.5, 1)), r.random()) for i in range(many)]
    with open(path, "w") as h:
        for t in range(0, days * 86_400, 300):
            docs = []
            for ip, names, rate, peak in who:
                for _ in range(wide(r, rate * rhythm(t, 0.8, peak))):
                    docs.append((r.randrange(300), ip, r.choice(names), "failure" if r.random() < 0.06 else "success", f"srv{r.choices(range(8), [8, 7, 6, 5, 4, 3, 2, 1])[0]}"))
            for second, ip, name, outcome, host in sorted(docs):
                doc = {"@timestamp": stamp(t + second), "event": {"category": "authentication", "outcome": outcome},
                       "source": {"ip": ip}, "user": {"name": name}, "host": {"name": host}}
                print(json.dumps(doc), file=h)
    return ["--preset", "ssh_auth", "--bucket-span", "5m"]


def api_audit(path, seed, days, many=80):
    r = random.Random(f"api {seed}")
    actions = [f"Action{i}" for i in range(120)]
    weight = [1 / (i + 1) for i in range(len(actions))]
    who = [(f"user-{i}", r.choices(actions, weight, k=12), f"10.1.0.{i + 1}", math.exp(r.gauss(-1, 1)), r.random()) for i in range(many)]
    with open(path, "w") as h:
        for t in range(0, days * 86_400, 300):
            docs = []
            for name, usual, ip, rate, peak in who:
                for _ in range(wide(r, rate * rhythm(t, 0.8, peak))):
                    action = r.choice(usual) if r.random() > 0.01 else r.choices(actions, weight)[0]
                    docs.append((r.randrange(300), name, action, "failure" if r.random() < 0.03 else "success", ip))
            for second, name, action, outcome, ip in sorted(docs):
                doc = {"@timestamp": stamp(t + second), "event": {"action": action, "outcome": outcome}, "user": {"name": name}, "source": {"ip": ip}}
                print(json.dumps(doc), file=h)
    return ["--preset", "api_audit", "--bucket-span", "5m"]


SERIES = ("steady", "daily", "memory", "counts", "heavy", "sparse")


def series(path, seed, days, kind):
    r = random.Random(f"series {kind} {seed}")
    memory = 0.0
    with open(path, "w") as h:
        print("timestamp,value", file=h)
        for t in range(0, days * 86_400, 300):
            memory = 0.9 * memory + r.gauss(0, 1)
            value = {"steady": lambda: 50 + r.gauss(0, 2), "daily": lambda: 100 * rhythm(t, 0.5, 0.6) + r.gauss(0, 5), "memory": lambda: 20 + memory,
                     "counts": lambda: wide(r, 30 * rhythm(t, 0.6, 0.6)), "heavy": lambda: math.exp(r.gauss(2, 0.8)), "sparse": lambda: poisson(r, 0.2)}[kind]()
            print(f"{(START + timedelta(seconds=t)).strftime('%Y-%m-%d %H:%M:%S')},{value:.4f}", file=h)
    return ["--preset", "series", "--time", "timestamp", "--value", "value"]
