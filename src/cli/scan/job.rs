//! The job that a scan runs: a preset, with what the command line changes.

use serde_json::json;

use super::Args;
use super::scores::stem;
use crate::config::preset_job;
use crate::model::{DetectorSpec, FeatureSpec, Job};

/// Builds the job, or says what is wrong with the arguments.
pub fn resolve(args: &Args) -> Result<Job, String> {
    let mut job = preset(&args.preset)?;
    if let Some(span) = args.bucket_span {
        job.bucket_span_ms = span_ms(span)?;
        job.frequency_ms = job.bucket_span_ms;
    }
    if !args.entity.is_empty() {
        job.entity_fields.clone_from(&args.entity);
    }
    if let Some(per_day) = args.alert_budget {
        if !per_day.is_finite() || per_day < 0.0 {
            return Err("--alert-budget has to be a number that is not negative".into());
        }
        job.alert_budget.per_day = per_day;
    }
    job.index = args.inputs.first().map(|p| stem(p)).unwrap_or_default();
    Ok(job)
}

/// A bucket span in milliseconds, when it is of any use.
pub fn span_ms(span: humantime::Duration) -> Result<i64, String> {
    let ms = i64::try_from(span.as_millis()).ok().filter(|ms| (1_000..=31 * crate::model::time::DAY_MS).contains(ms));
    ms.ok_or_else(|| "--bucket-span has to lie between 1s and 31d".to_owned())
}

fn preset(name: &str) -> Result<Job, String> {
    if matches!(name, "series" | "table") {
        let features = if name == "series" {
            vec![FeatureSpec { name: "value".into(), kind: "mean".into(), field: Some("value".into()), ..FeatureSpec::default() }]
        } else {
            Vec::new()
        };
        let detectors = crate::detectors::names().into_iter().filter(|n| *n == name);
        let detectors = detectors.map(|n| DetectorSpec { kind: n.into(), ..DetectorSpec::default() }).collect();
        return Ok(Job { id: name.into(), preset: Some(name.into()), features, detectors, ..Job::default() });
    }
    preset_job(name, &json!({})).map_err(|e| e.to_string())
}
