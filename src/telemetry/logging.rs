//! Log lines: text on a terminal, one JSON object in ECS on each line elsewhere.

use std::fmt;
use std::io::IsTerminal;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::model::document::ECS_VERSION;

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text when standard error is a terminal, else JSON.
    #[default]
    Auto,
    /// Text.
    Text,
    /// One JSON object in ECS on each line.
    Json,
}

/// Starts logging to standard error. `level` is a filter such as `info` or `elkhound=debug,warn`; a filter that cannot be
/// read is an error. A second call changes nothing.
pub fn init(format: LogFormat, level: &str) -> Result<(), String> {
    let filter = EnvFilter::builder().parse(level).map_err(|e| format!("log level `{level}` cannot be read: {e}"))?;
    let is_text = match format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => std::io::stderr().is_terminal(),
    };
    // Where nobody reads standard error any more the work goes on: telling of that there would panic.
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    // Only the first call can win; that a second one loses is what is wanted.
    let _ =
        if is_text { builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).try_init() } else { builder.event_format(Ecs).try_init() };
    Ok(())
}

/// Writes an event as one line of ECS. Field names keep their dots, values stay what they are; control characters come
/// out as JSON escapes, so that one event is always one line.
pub struct Ecs;

impl<S: Subscriber + for<'a> LookupSpan<'a>, N: for<'a> FormatFields<'a> + 'static> FormatEvent<S, N> for Ecs {
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        writeln!(writer, "{}", line(&time, event))
    }
}

fn line(time: &str, event: &Event<'_>) -> String {
    let mut fields = Collect::default();
    event.record(&mut fields);
    let mut out = Map::new();
    out.insert("@timestamp".into(), time.into());
    out.insert("log.level".into(), event.metadata().level().as_str().to_lowercase().into());
    out.insert("message".into(), fields.0.remove("message").unwrap_or_default());
    out.insert("ecs.version".into(), ECS_VERSION.into());
    out.insert("event.dataset".into(), "elkhound.log".into());
    out.insert("log.logger".into(), event.metadata().target().into());
    out.append(&mut fields.0);
    Value::Object(out).to_string()
}

#[derive(Default)]
struct Collect(Map<String, Value>);

impl Visit for Collect {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().into(), value.into());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().into(), format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::super::Telemetry;
    use super::*;
    use crate::model::RunDocument;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_is_one_line_of_ecs_whatever_stands_in_it() {
        let kept = Kept::default();
        let out = kept.clone();
        let subscriber = tracing_subscriber::fmt().event_format(Ecs).with_writer(move || out.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let t = Telemetry::silent();
            t.window_held("web", "line\n\u{1b}[31mtwo ${jndi:ldap://x}", true);
            t.window_done(&RunDocument { job: "web".into(), documents: 5, ..RunDocument::default() });
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!((&lines[0]["log.level"], &lines[0]["elkhound.job"]), (&Value::from("error"), &Value::from("web")));
        assert_eq!((&lines[1]["message"], &lines[1]["elkhound.documents"]), (&Value::from("window is done"), &Value::from(5)));
        assert_eq!(lines[0]["ecs.version"], crate::model::document::ECS_VERSION, "as in the documents");
        assert!(lines[0]["@timestamp"].as_str().is_some_and(|t| t.ends_with('Z')) && !text.contains('\u{1b}'));
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_named() {
        assert!(init(LogFormat::Json, "elkhound=loud").unwrap_err().contains("elkhound=loud"));
    }
}
