//! What a backtest prints.

use serde_json::json;

use super::{Args, Difference, Missed, Side};
use crate::model::problem::{counted, printable};
use crate::model::time::iso;
use crate::report::backtest::{Block, List, Page};
use crate::score::evaluate::{Alarm, Figures};

/// Characters of an entity that are shown.
const SHOWN: usize = 60;

/// Names and widths of the columns of figures.
const COLUMNS: [(&str, usize); 8] =
    [("score from", 12), ("alarms/day", 11), ("alarms", 7), ("true", 6), ("precision", 9), ("found", 7), ("recall", 7), ("minutes to detect", 18)];

/// What the words of the table mean, each said once.
fn terms(args: &Args) -> Vec<(&'static str, String)> {
    let quiet = args.quiet;
    vec![
        ("row", "one entity in one bucket; one that is reported is an anomaly, and a document".into()),
        ("alarm", format!("anomalies of one entity that follow each other within {quiet} (--quiet), counted once")),
        ("score from", "rows count from this score on; `as reported`: by the job's own rule, its min_score and alert budget".into()),
        ("true", "alarms that overlap a labelled event of their entity".into()),
        ("precision", "share of alarms that are true".into()),
        ("found", "labelled events that an alarm overlaps, of those inside the judged time; recall: their share".into()),
        ("minutes to detect", "from the beginning of an event to the end of the first bucket that shows it, median over the events found".into()),
    ]
}

/// Prints figures and lists, or all of it as JSON.
pub fn print(args: &Args, sides: &[Side], labels: Option<usize>, difference: Option<&Difference>, is_json: bool) {
    let text = if is_json {
        let terms: serde_json::Map<_, _> = terms(args).into_iter().map(|(term, meaning)| (term.to_owned(), json!(meaning))).collect();
        json!({ "labels": labels, "sides": sides, "difference": difference, "terms": terms }).to_string()
    } else {
        text(&page(args, sides, labels, difference), args.top)
    };
    say!("{text}");
}

/// Everything that is shown, on the terminal and on the page.
pub fn page(args: &Args, sides: &[Side], labels: Option<usize>, difference: Option<&Difference>) -> Page {
    let mut blocks: Vec<Block> = sides.iter().map(|s| side(s, labels)).collect();
    if let (Some(d), [first, second]) = (difference, sides) {
        let title =
            format!("From {} to {}: alarms that appear {}, vanish {}, stay {}", first.name, second.name, d.appear.len(), d.vanish.len(), d.in_both);
        let lists = vec![list("appear", &d.appear, alarm), list("vanish", &d.vanish, alarm)];
        blocks.push(Block { title, lists, ..Block::default() });
    }
    let facts = terms(args).into_iter().map(|(term, meaning)| format!("{term}: {meaning}")).collect();
    blocks.push(Block { title: "What the words mean".into(), facts, ..Block::default() });
    Page { title: "Backtest".into(), columns: COLUMNS.iter().map(|(name, _)| (*name).to_owned()).collect(), blocks }
}

fn text(page: &Page, top: usize) -> String {
    let row = |cells: &[String]| COLUMNS.iter().zip(cells).map(|((_, width), cell)| format!("{cell:>width$}")).collect::<Vec<_>>().join(" ");
    let mut out = Vec::new();
    for block in &page.blocks {
        out.push(block.title.clone());
        out.extend(block.facts.iter().cloned());
        if !block.figures.is_empty() {
            out.push(row(&page.columns));
            out.extend(block.figures.iter().map(|cells| row(cells)));
        }
        for list in block.lists.iter().filter(|l| !l.lines.is_empty()) {
            out.push(format!("{}: {}", list.title, list.lines.len()));
            out.extend(list.lines.iter().take(top).map(|l| format!("  {}", l.replace('\n', "\n    "))));
            if list.lines.len() > top {
                out.push(format!("  ... and {} more (--top N shows more, --json all)", list.lines.len() - top));
            }
        }
        out.extend(block.notes.iter().map(|n| format!("note: {n}")));
        out.push(String::new());
    }
    out.join("\n")
}

fn side(s: &Side, labels: Option<usize>) -> Block {
    let mut facts = Vec::new();
    if let Some(n) = labels {
        let outside = match s.labels_elsewhere_ms {
            Some((from, to)) => format!(
                ", none inside the judged time: they lie between {} and {}, judged was {} to {}; so no alarm is called true or false",
                iso(from),
                iso(to),
                iso(s.from_ms),
                iso(s.to_ms)
            ),
            None if s.labels_outside > 0 => format!(", {} of them outside the judged time and not counted", s.labels_outside),
            None => String::new(),
        };
        facts.push(format!("{}{outside}", counted(n as u64, "labelled event", "labelled events")));
        if let Some(first) = s.unknown_entities.first() {
            let them = counted(s.unknown_entities.len() as u64, "labelled entity is", "labelled entities are");
            let names = format!("{them} in no row, such as `{}`", printable(first.as_bytes(), SHOWN));
            facts.push(format!("{names}; write them as `elkhound.entity.key` has them"));
        }
        if s.as_reported.unjudged > 0 {
            facts.push(format!("{} of {} reported alarms were judged by nobody and count neither way", s.as_reported.unjudged, s.as_reported.alarms));
        }
    }
    facts.push(format!(
        "{} in {}",
        counted(s.anomalies as u64, "row is reported (an anomaly)", "rows are reported (anomalies)"),
        counted(s.as_reported.alarms as u64, "alarm", "alarms")
    ));
    let counted_labels = labels.filter(|_| s.labels_elsewhere_ms.is_none());
    let mut notes = s.problems.clone();
    if s.left_out > 0 {
        notes.insert(0, format!("{} rows above the lowest threshold were more than is kept: take a shorter range", s.left_out));
    }
    let thresholds = s.thresholds.iter().map(|f| figures(&format!("{:.0}", f.threshold), f, counted_labels));
    Block {
        title: format!("{}: {} judged, {} to {}", s.name, counted(s.rows, "row", "rows"), iso(s.from_ms), iso(s.to_ms)),
        facts,
        figures: std::iter::once(figures("as reported", &s.as_reported, counted_labels)).chain(thresholds).collect(),
        lists: vec![list("missed", &s.missed, missed), list("false alarms, strongest first", &s.false_alarms, alarm)],
        notes,
    }
}

fn figures(name: &str, f: &Figures, labels: Option<usize>) -> Vec<String> {
    let known = |text: String| if labels.is_some() { text } else { "-".into() };
    let share = |x: f64| if x.is_nan() { "-".into() } else { format!("{x:.2}") };
    vec![
        name.to_owned(),
        format!("{:.1}", f.alarms_per_day),
        f.alarms.to_string(),
        known(f.true_alarms.to_string()),
        known(share(f.precision)),
        known(format!("{}/{}", f.found, f.events)),
        known(share(f.recall)),
        known(if f.minutes_to_detect.is_nan() { "-".into() } else { format!("{:.0}", f.minutes_to_detect) }),
    ]
}

fn missed(m: &Missed) -> String {
    let l = &m.event;
    let best = m.best_score.map_or_else(|| format!("no score of {:.0} or more", super::THRESHOLDS[0]), |x| format!("best score {x:.0}"));
    let entity = if l.entity.is_empty() { "any entity".into() } else { printable(l.entity.as_bytes(), SHOWN) };
    format!("{entity}, {} to {}, {best}", iso(l.start_ms), iso(l.end_ms))
}

fn alarm(a: &Alarm) -> String {
    let why = if a.why.is_empty() { String::new() } else { format!("\n{}", printable(a.why.as_bytes(), 300)) };
    format!("{}, {} to {}, score {:.0}{why}", printable(a.entity.as_bytes(), SHOWN), iso(a.start_ms), iso(a.end_ms), a.score)
}

fn list<T>(title: &str, items: &[T], show: impl Fn(&T) -> String) -> List {
    List { title: title.to_owned(), lines: items.iter().map(show).collect() }
}
