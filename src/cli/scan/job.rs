//! The job that a scan runs: a preset, with what the command line changes.

use serde_json::{Map, Value, json};

use super::Args;
use super::scores::stem;
use crate::model::Job;

/// Builds the job, or says what is wrong with the arguments.
pub fn resolve(args: &Args) -> Result<Job, String> {
    if crate::presets::find(&args.preset).is_none() {
        return Err(format!("there is no preset `{}`; there are: {}", args.preset, crate::presets::names().join(", ")));
    }
    let mut keys = Map::new();
    if let Some(span) = args.bucket_span {
        let span = humantime::format_duration(*span).to_string();
        keys.insert("bucket_span".into(), json!(span));
        keys.insert("frequency".into(), json!(span));
    }
    if !args.entity.is_empty() {
        keys.insert("entity_fields".into(), json!(args.entity));
    }
    if let Some(budget) = &args.alert_budget {
        keys.insert("alert_budget".into(), json!(budget));
    }
    let mut job = crate::config::preset_job(&args.preset, &Value::Object(keys)).map_err(|e| e.to_string())?;
    job.index = args.inputs.first().map(|p| stem(p)).unwrap_or_default();
    Ok(job)
}
