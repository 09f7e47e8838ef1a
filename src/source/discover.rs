//! Where people find the documents behind a finding: a query in KQL, and a link to Discover with index, time and entity.
//!
//! Values come from logs, so three layers of quoting stand between them and the link: KQL (the query language), RISON
//! (how both products write their state into an address), percent (the address itself).

use crate::model::document::ecs::entity_values;
use crate::model::ids::log_view_id;
use crate::model::time::iso;
use crate::model::{Filter, Job, Window};

/// Longest link and longest query that are written; a longer one goes without the entity. The mapping stores up to 8000.
const MAX_CHARS: usize = 8_000;

/// Which address Discover has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Kibana 7.10 and newer; OpenSearch Dashboards before 2.10.
    Kibana,
    /// OpenSearch Dashboards from 2.10 on.
    DataExplorer,
}

/// How links are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discover {
    /// Address of the dashboards server with its base path and space. Without one, links begin after its `/app/`: so the
    /// shipped dashboards open them wherever they are.
    pub url: Option<String>,
    /// Which product.
    pub form: Form,
    /// Prefix of our indices and saved objects.
    pub prefix: String,
}

/// The documents behind a row: how to search for them, and where to see them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// KQL with the time.
    pub query: String,
    /// Link; empty when there is nothing to link to.
    pub link: String,
}

impl Discover {
    /// Where the documents of an entity in a window are.
    pub fn place(&self, job: &Job, entity_key: &str, window: Window) -> Place {
        let own = job.filter.as_ref().and_then(kql);
        let entity = joined([entity_kql(&job.entity_fields, entity_key), own.clone()]);
        let (time, own) = (time_kql(&job.time_field, window), own.unwrap_or_default());
        let short = |make: &dyn Fn(&str) -> String| Some(make(&entity)).filter(|t| t.len() <= MAX_CHARS).unwrap_or_else(|| make(&own));
        Place {
            query: short(&|condition: &str| if condition.is_empty() { time.clone() } else { format!("{time} and {condition}") }),
            link: short(&|condition: &str| self.link(&job.index, &job.time_field, condition, window)),
        }
    }

    fn link(&self, index: &str, time_field: &str, condition: &str, window: Window) -> String {
        let view = rison_text(&log_view_id(&self.prefix, index, time_field));
        // Discover takes both ends in; a bucket leaves out its end.
        let (from, to) = (rison_text(&iso(window.start_ms)), rison_text(&iso(window.end_ms.saturating_sub(1))));
        let global = format!("_g=(filters:!(),time:(from:{from},to:{to}))");
        let query = format!("(language:kuery,query:{})", rison_text(condition));
        let path = match self.form {
            Form::Kibana => format!("discover#/?{global}&_a=(filters:!(),index:{view},query:{query})"),
            Form::DataExplorer => {
                let app = format!("_a=(discover:(columns:!(_source),isDirty:!f,sort:!()),metadata:(indexPattern:{view},view:discover))");
                format!("data-explorer/discover#/?{app}&{global}&_q=(filters:!(),query:{query})")
            }
        };
        match &self.url {
            Some(url) => format!("{}/app/{path}", url.trim_end_matches('/')),
            None => path,
        }
    }
}

fn joined<const N: usize>(parts: [Option<String>; N]) -> String {
    parts.into_iter().flatten().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(" and ")
}

/// Each entity field with its value.
fn entity_kql(fields: &[String], key: &str) -> Option<String> {
    let values = entity_values(key, fields.len());
    let all: Vec<String> = fields.iter().zip(values).map(|(f, v)| format!("{} : {}", field(f), quoted(&v))).collect();
    (!all.is_empty()).then(|| all.join(" and "))
}

fn time_kql(time_field: &str, window: Window) -> String {
    let f = field(time_field);
    format!("{f} >= {} and {f} < {}", quoted(&iso(window.start_ms)), quoted(&iso(window.end_ms)))
}

/// A condition of a job in KQL; `None` when it asks for nothing.
fn kql(filter: &Filter) -> Option<String> {
    let list = |all: &[Filter], word: &str| {
        let parts: Vec<String> = all.iter().filter_map(kql).collect();
        (!parts.is_empty()).then(|| format!("({})", parts.join(word)))
    };
    match filter {
        Filter::In { field: f, values } => {
            let values: Vec<String> = values.iter().map(|v| quoted(v)).collect();
            Some(format!("{} : ({})", field(f), values.join(" or ")))
        }
        Filter::Range { field: f, gte, lt } => {
            let f = field(f);
            let lower = gte.map(|x| format!("{f} >= {x}"));
            let upper = lt.map(|x| format!("{f} < {x}"));
            Some(joined([lower, upper])).filter(|t| !t.is_empty()).map(|t| format!("({t})"))
        }
        Filter::Prefix { field: f, prefix } => Some(format!("{} : {}*", field(f), bare(prefix))),
        Filter::Exists { field: f } => Some(format!("{} : *", field(f))),
        Filter::All(all) => list(all, " and "),
        Filter::Any(all) => list(all, " or "),
        Filter::Not(inner) => kql(inner).map(|t| format!("not ({t})")),
    }
}

/// A field's name, in quotes where it needs them.
fn field(name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_alphanumeric() || "._-@".contains(c));
    if is_plain { name.to_owned() } else { quoted(name) }
}

/// A value in quotes; what cannot be seen stands as its number.
fn quoted(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() || is_invisible(c) => escape(c, &mut out),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The beginning of a value, as it stands before a star: everything that KQL could read otherwise is a number.
fn bare(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if c.is_alphanumeric() || "._-/@".contains(c) { out.push(c) } else { escape(c, &mut out) }
    }
    out
}

/// Characters that change the order of reading or take no room.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn escape(c: char, out: &mut String) {
    let mut units = [0; 2];
    for unit in c.encode_utf16(&mut units) {
        out.push_str(&format!("\\u{unit:04x}"));
    }
}

/// Text in RISON and percent-encoded: `!` and `'` are escaped by `!`.
fn rison_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for b in text.bytes() {
        match b {
            b'!' | b'\'' => out.push_str(&format!("%21%{b:02X}")),
            b if b.is_ascii_alphanumeric() || b"-_.~".contains(&b) => out.push(char::from(b)),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out.push('\'');
    out
}
