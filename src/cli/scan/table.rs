//! The ranked table on the terminal.

use crate::model::Anomaly;
use crate::model::problem::printable;
use crate::model::time::iso;

/// Characters of an entity that the table shows.
const ENTITY_CHARS: usize = 40;
/// Characters of the id that it shows: `explain` takes the beginning of one.
const ID_CHARS: usize = 8;

/// The `top` highest scores as lines of text, the highest first.
pub fn lines(anomalies: &[Anomaly], top: usize) -> Vec<String> {
    let mut ranked: Vec<&Anomaly> = anomalies.iter().collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| (a.start_ms, &a.entity_key).cmp(&(b.start_ms, &b.entity_key))));
    ranked.truncate(top);
    let entity = |a: &Anomaly| printable(a.entity_key.as_bytes(), ENTITY_CHARS);
    // Rows of a table have a number, which is their key, and no time.
    let when = |a: &Anomaly| {
        if a.is_timeless() { format!("row {}", a.entity_key) } else { iso(a.start_ms).get(..16).unwrap_or_default().replace('T', " ") }
    };
    let head = if ranked.iter().all(|a| a.is_timeless()) { "row" } else { "bucket (UTC)" };
    let width = ranked.iter().map(|a| entity(a).chars().count()).chain([6]).max().unwrap_or(6);
    let mut out = vec![format!("{:>5}  {:<8}  {:<16}  {:<width$}  {:<ID_CHARS$}  why", "score", "severity", head, "entity", "id")];
    for a in &ranked {
        let when = when(a);
        let id = a.id.get(..ID_CHARS).unwrap_or(&a.id);
        let why = printable(a.reason.as_bytes(), 400);
        out.push(format!("{:>5.1}  {:<8}  {when:<16}  {:<width$}  {id:<ID_CHARS$}  {why}", a.score, a.severity.as_str(), entity(a)));
    }
    out
}
