"""Long series that repeat themselves, with one strange stretch each: name its place (the protocol of the UCR anomaly series).

Eight kinds of cycle and eight kinds of strangeness, from a seed; the first third is clean. The public series are not there, so these are made
here; the strangest row after the first third has to lie within max(100, length) of the stretch.
"""
import csv, math, random
from datetime import datetime, timedelta, timezone


def cycle(kind, x, shape):
    """Value of a cycle at phase x (0 to 1); `shape` are three numbers that make each series another."""
    a, b, c = shape
    bump = lambda at, width, height: height * math.exp(-(((x - at + 0.5) % 1 - 0.5) / width) ** 2)
    if kind == 0:  # heart: small, sharp, broad wave
        return bump(0.2, 0.03, 0.15 + 0.1 * a) - bump(0.36, 0.012, 0.2) + bump(0.4, 0.012, 1.0 + 0.4 * b) - bump(0.44, 0.014, 0.3) + bump(0.68, 0.05, 0.3 + 0.2 * c)
    if kind == 1:  # breath
        return math.sin(2 * math.pi * x) + 0.3 * a * math.sin(4 * math.pi * x + b)
    if kind == 2:  # step of a gait
        return abs(math.sin(math.pi * x)) ** (1 + 2 * a) + 0.4 * b * math.sin(6 * math.pi * x + c)
    if kind == 3:  # valve: filled and emptied
        return min(1.0, x / (0.2 + 0.3 * a)) * (1.0 if x < 0.6 + 0.2 * b else math.exp(-(x - 0.6 - 0.2 * b) / 0.06))
    if kind == 4:  # duty cycle
        return (1.0 if 0.1 < x < 0.45 + 0.2 * a else 0.0) + (0.5 if 0.7 < x < 0.8 + 0.1 * b else 0.0)
    if kind == 5:  # demand of a day: two humps
        return bump(0.35, 0.09, 0.7 + 0.3 * a) + bump(0.78, 0.07, 0.9 + 0.3 * b) + 0.1 * c
    if kind == 6:  # saw
        return x if x < 0.8 + 0.1 * a else (1 - x) * 4
    return math.sin(2 * math.pi * x) + 0.5 * math.sin(6 * math.pi * x + 3 * a) + 0.3 * math.sin(10 * math.pi * x + 3 * b)


STRANGE = ("reversed", "missing", "weaker", "slower", "noisy", "smooth", "other", "shifted")


def make(number, path):
    """Writes series `number`; returns (end of the clean third, first and last row of the strange stretch, its kind)."""
    r = random.Random(f"shapes {number}")
    kind, strange = number % 8, STRANGE[(number // 8) % 8]
    period, shape = r.randint(60, 320), [r.random() for _ in range(3)]
    cycles = r.randint(50, 90)
    noise, wobble, drift = r.choice([0.005, 0.02, 0.05]), r.choice([0.0, 0.02, 0.05]), r.choice([0.0, 0.0, 0.3])
    at, rows, span = r.randint(cycles // 3 + 4, cycles - 4), [], None
    other = [r.random() for _ in range(3)]
    for n in range(cycles):
        length = max(20, round(period * (1 + wobble * r.gauss(0, 1))))
        gain = 1 + wobble * r.gauss(0, 1)
        one = [gain * cycle(kind, i / length, shape) for i in range(length)]
        if n == at:
            one = twist(strange, one, kind, gain, other, r)
            span = (len(rows), len(rows) + len(one) - 1)
        rows += one
    rows = [v + drift * math.sin(2 * math.pi * i / len(rows)) + r.gauss(0, noise) for i, v in enumerate(rows)]
    if strange == "smooth":
        a, b = span
        rows[a:b + 1] = [sum(rows[max(a, i - 8):i + 9]) / len(rows[max(a, i - 8):i + 9]) for i in range(a, b + 1)]
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    with open(path, "w", newline="") as h:
        w = csv.writer(h)
        w.writerow(["timestamp", "value"])
        w.writerows([(start + timedelta(minutes=i)).strftime("%Y-%m-%d %H:%M:%S"), f"{v:.6f}"] for i, v in enumerate(rows))
    return len(rows) // 3, span, strange


def twist(strange, one, kind, gain, other, r):
    """One cycle made strange."""
    n = len(one)
    part = slice(n // 4, n // 4 + n // 2)
    if strange == "reversed":
        return one[::-1]
    if strange == "missing":
        return one[:part.start] + [one[part.start]] * (n // 2) + one[part.stop:]
    if strange == "weaker":
        middle = sum(one) / n
        return [middle + 0.5 * (v - middle) for v in one]
    if strange == "slower":
        return [one[int(i / 1.4)] for i in range(int(1.4 * n))]
    if strange == "noisy":
        width = max(one) - min(one)
        return one[:part.start] + [v + r.gauss(0, 0.1 * width) for v in one[part]] + one[part.stop:]
    if strange == "other":
        return [gain * cycle(kind + 3 & 7, i / n, other) for i in range(n)]
    if strange == "shifted":
        k = n // 3
        return one[k:] + one[:k]
    return one
