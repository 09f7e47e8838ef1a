//! What a backtest prints.

use serde_json::json;

use super::{Args, Difference, Side};
use crate::model::problem::printable;
use crate::model::time::iso;
use crate::score::evaluate::{Alarm, Figures};

/// Characters of an entity that are shown.
const SHOWN: usize = 60;

/// Prints figures and lists, or all of it as JSON.
pub fn print(args: &Args, sides: &[Side], labels: Option<usize>, difference: Option<&Difference>, is_json: bool) {
    let text = if is_json {
        json!({ "labels": labels, "sides": sides, "difference": difference }).to_string()
    } else {
        let mut lines: Vec<String> = sides.iter().flat_map(|s| side(s, labels, args.top)).collect();
        if let (Some(d), [first, second]) = (difference, sides) {
            lines.extend(differences(d, &first.name, &second.name, args.top));
        }
        lines.join("\n")
    };
    say!("{text}");
}

fn side(s: &Side, labels: Option<usize>, top: usize) -> Vec<String> {
    let mut out = vec![format!("{}: {} rows judged, {} to {}", s.name, s.rows, iso(s.from_ms), iso(s.to_ms))];
    if let Some(n) = labels {
        let outside =
            if s.labels_outside > 0 { format!(", {} of them outside the judged time and not counted", s.labels_outside) } else { String::new() };
        out.push(format!("{n} labelled events{outside}"));
        if let Some(first) = s.unknown_entities.first() {
            let names = format!("{} labelled entities are in no row, such as `{}`", s.unknown_entities.len(), printable(first.as_bytes(), SHOWN));
            out.push(format!("{names}; write them as `elkhound.entity.key` has them"));
        }
        if s.as_reported.unjudged > 0 {
            out.push(format!("{} of {} reported alarms were judged by nobody and count neither way", s.as_reported.unjudged, s.as_reported.alarms));
        }
    }
    out.push(format!(
        "{:>12} {:>11} {:>7} {:>6} {:>9} {:>7} {:>7} {:>14}",
        "score from", "alarms/day", "alarms", "true", "precision", "found", "recall", "min to detect"
    ));
    out.push(figures("as reported", &s.as_reported, labels));
    out.extend(s.thresholds.iter().map(|f| figures(&format!("{:.0}", f.threshold), f, labels)));
    list(&mut out, "missed", &s.missed, top, |m| {
        let l = &m.event;
        let best = m.best_score.map_or_else(|| format!("no score of {:.0} or more", super::THRESHOLDS[0]), |x| format!("best score {x:.0}"));
        let entity = if l.entity.is_empty() { "any entity".into() } else { printable(l.entity.as_bytes(), SHOWN) };
        format!("{entity}, {} to {}, {best}", iso(l.start_ms), iso(l.end_ms))
    });
    list(&mut out, "false alarms, strongest first", &s.false_alarms, top, alarm);
    if s.left_out > 0 {
        out.push(format!("{} rows above the lowest threshold were more than is kept: take a shorter range", s.left_out));
    }
    out.extend(s.problems.iter().map(|p| format!("note: {p}")));
    out.push(String::new());
    out
}

fn figures(name: &str, f: &Figures, labels: Option<usize>) -> String {
    let known = |text: String| if labels.is_some() { text } else { "-".into() };
    let share = |x: f64| if x.is_nan() { "-".into() } else { format!("{x:.2}") };
    format!(
        "{name:>12} {:>11.1} {:>7} {:>6} {:>9} {:>7} {:>7} {:>14}",
        f.alarms_per_day,
        f.alarms,
        known(f.true_alarms.to_string()),
        known(share(f.precision)),
        known(format!("{}/{}", f.found, f.events)),
        known(share(f.recall)),
        known(if f.minutes_to_detect.is_nan() { "-".into() } else { format!("{:.0}", f.minutes_to_detect) }),
    )
}

fn alarm(a: &Alarm) -> String {
    let why = if a.why.is_empty() { String::new() } else { format!("\n    {}", printable(a.why.as_bytes(), 300)) };
    format!("{}, {} to {}, score {:.0}{why}", printable(a.entity.as_bytes(), SHOWN), iso(a.start_ms), iso(a.end_ms), a.score)
}

fn list<T>(out: &mut Vec<String>, title: &str, items: &[T], top: usize, show: impl Fn(&T) -> String) {
    if items.is_empty() {
        return;
    }
    out.push(format!("{title}: {}", items.len()));
    out.extend(items.iter().take(top).map(|i| format!("  {}", show(i))));
    if items.len() > top {
        out.push(format!("  ... and {} more (--top N shows more, --json all)", items.len() - top));
    }
}

fn differences(d: &Difference, first: &str, second: &str, top: usize) -> Vec<String> {
    let mut out = vec![format!("From {first} to {second}: {} alarms appear, {} vanish, {} stay", d.appear.len(), d.vanish.len(), d.in_both)];
    list(&mut out, "appear", &d.appear, top, alarm);
    list(&mut out, "vanish", &d.vanish, top, alarm);
    out
}
