//! Our own retention, for engines without a policy API: deletes monthly indices whose last day is old enough.

use std::collections::BTreeMap;

use chrono::{Months, NaiveDate};
use serde_json::Value;

use super::Kind;
use crate::cluster::{Call, Cluster, ClusterError, ErrorKind, path};
use crate::config::IndicesConfig;
use crate::model::time::iso;

/// First instant after the month of a monthly index of ours, milliseconds of the epoch; `None` for any other name.
fn month_end_ms(name: &str, kind: Kind, prefix: &str) -> Option<i64> {
    let month = name.strip_prefix(&format!("{prefix}-{}-", kind.name()))?;
    let is_month = month.len() == 7 && month.bytes().enumerate().all(|(i, b)| if i == 4 { b == b'.' } else { b.is_ascii_digit() });
    if !is_month {
        return None;
    }
    let first = NaiveDate::from_ymd_opt(month.get(..4)?.parse().ok()?, month.get(5..)?.parse().ok()?, 1)?;
    Some(first.checked_add_months(Months::new(1))?.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
}

/// Of these indices, those that are ours and whose whole month is older than what is kept.
pub fn expired(names: &[String], indices: &IndicesConfig, now_ms: i64) -> Vec<String> {
    let is_expired = |name: &str| {
        Kind::ALL.into_iter().any(|kind| {
            let keep = kind.keep_ms(indices);
            month_end_ms(name, kind, &indices.prefix).zip(keep).is_some_and(|(end, keep)| end.saturating_add(keep) <= now_ms)
        })
    };
    names.iter().filter(|n| is_expired(n)).cloned().collect()
}

/// What is worth a word about findings from this time on: that they are older than what is kept, so that they go soon.
pub fn soon_gone(from_ms: i64, indices: &IndicesConfig, now_ms: i64) -> Option<String> {
    let kept_from_ms = now_ms.saturating_sub(Kind::Anomalies.keep_ms(indices)?);
    (from_ms < kept_from_ms).then(|| {
        format!(
            "what is kept goes by the time of the documents: findings of months that end before {} are deleted by the next `setup` or `run` (run documents earlier still), unless `indices.retention.anomalies` and `runs` say longer",
            iso(kept_from_ms)
        )
    })
}

/// Names of our monthly indices.
pub async fn monthly_indices(cluster: &Cluster, prefix: &str) -> Result<Vec<String>, ClusterError> {
    let patterns: Vec<String> = Kind::ALL.into_iter().filter(|k| k.is_monthly()).map(|k| k.pattern(prefix)).collect();
    let call = Call::get(path(&[&patterns.join(","), "_alias"])).with("ignore_unavailable", true);
    match cluster.fetch::<BTreeMap<String, Value>>(call).await {
        Ok(found) => Ok(found.into_keys().collect()),
        Err(e) if matches!(e.kind, ErrorKind::NoIndex | ErrorKind::NotFound) => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

/// Deletes what is expired, one index at a time and by its full name, and returns the names.
pub async fn delete_expired(cluster: &Cluster, indices: &IndicesConfig, now_ms: i64) -> Result<Vec<String>, ClusterError> {
    let names = expired(&monthly_indices(cluster, &indices.prefix).await?, indices, now_ms);
    for name in &names {
        match cluster.send(Call::delete(path(&[name]))).await {
            Ok(_) => {}
            Err(e) if e.kind == ErrorKind::NoIndex => {}
            Err(e) => return Err(e),
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, load_text};
    use crate::model::time::parse_time;

    #[test]
    fn only_whole_months_of_our_own_indices_expire() {
        let yaml = "indices: { retention: { anomalies: 30d, runs: 1d } }";
        let indices = load_text(yaml, std::path::Path::new("."), &Environment::default()).unwrap().indices;
        let names: Vec<String> = [
            "elkhound-anomalies-2026.01",
            "elkhound-anomalies-2026.02",
            "elkhound-runs-2026.01",
            "elkhound-runs-2026.13",
            "elkhound-runs-2026.01-copy",
            "elkhound-state",
            "other-anomalies-2020.01",
            "elkhound-anomalies-2025-01",
        ]
        .map(str::to_owned)
        .to_vec();
        let at = |t: &str| expired(&names, &indices, parse_time(t).unwrap());
        assert_eq!(at("2026-02-01T00:00:00Z"), [] as [&str; 0]);
        assert_eq!(at("2026-02-02T00:00:00Z"), ["elkhound-runs-2026.01"]);
        assert_eq!(at("2026-03-03T00:00:00Z"), ["elkhound-anomalies-2026.01", "elkhound-runs-2026.01"]);
        let short = |from: &str| soon_gone(parse_time(from).unwrap(), &indices, parse_time("2026-03-03T00:00:00Z").unwrap());
        assert!(short("2026-01-31T00:00:00Z").is_some_and(|w| w.contains("end before 2026-02-01T00:00:00")), "{:?}", short("2026-01-31T00:00:00Z"));
        assert_eq!(short("2026-02-01T00:00:00Z"), None);
    }
}
