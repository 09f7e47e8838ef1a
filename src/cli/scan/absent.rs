//! Fields that a job reads and no line has: what the command line named wrongly, and what cannot be judged without them.

use super::{Args, Stop};
use crate::formats::alike::likely;
use crate::model::problem::{instead_of, printable};
use crate::model::{FeatureSpec, FieldKind, Job};
use crate::source::files::Feed;

/// A field that no line has.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Absent {
    /// Its name in the job.
    pub field: String,
    /// What it is called in the file, by `--map` or as it stands.
    pub name: String,
    /// Features that are empty without it.
    pub features: Vec<String>,
    /// True when it is there as text, and what is missing is a number.
    pub is_text: bool,
    /// The name in the files that most likely is this field.
    pub likely: Option<String>,
    /// True when `--map` names it.
    #[serde(skip)]
    is_mapped: bool,
}

/// All of them, and what they mean for the result.
#[derive(Debug, Default)]
pub struct Absences {
    /// Field by field.
    pub fields: Vec<Absent>,
    /// True when no detector has anything to judge.
    pub is_nothing_judged: bool,
    /// What there is in the files.
    pub names: Vec<String>,
}

/// Refuses a `--map` or `--time` that can be seen to be wrong before anything was read: a field that the job does not read, or a column
/// that is not in the header. (Fields of JSON lines may come later.)
pub fn refuse(args: &Args, feed: &Feed) -> Result<(), Stop> {
    let read: Vec<String> = feed.fields().iter().fold(Vec::new(), |mut all, (name, _)| {
        if !all.iter().any(|n| n == name) {
            all.push(name.to_owned());
        }
        all
    });
    let names = feed.names();
    let is_fixed = feed.formats().iter().all(|(format, _)| *format != "json");
    if let Some(time) = args.time.as_ref().filter(|_| feed.formats().iter().all(|(format, _)| *format == "access_log")) {
        return Err(Stop::config(format!("--time {time}: an access log has its time at a place of its own; leave --time out")));
    }
    for (field, name) in args.map.iter().filter_map(|pair| pair.split_once('=')) {
        if field == "@timestamp" {
            return Err(Stop::config(format!("--map {field}={name}: the field that holds the time is named by --time {name}")));
        }
        if !read.iter().any(|r| r == field) {
            let instead = instead_of(field, &read);
            return Err(Stop::config(format!("--map {field}={name}: preset `{}` reads no field `{field}`; {instead}", args.preset)));
        }
        if is_fixed && !names.iter().any(|n| n == name) {
            return Err(Stop::config(format!("--map {field}={name}: the file has no column `{name}`; {}", column_for(field, name, &names))));
        }
    }
    Ok(())
}

/// What to write in place of a column that is not there: nothing, where the file has the field itself, or a name like either.
fn column_for(field: &str, wrong: &str, names: &[String]) -> String {
    if names.iter().any(|n| n == field) {
        return format!("it has `{field}` itself: leave --map {field}={wrong} out");
    }
    match likely(wrong, names).or_else(|| likely(field, names)) {
        Some(name) => format!("{}; did you mean --map {field}={}?", instead_of("", names), printable(name.as_bytes(), 60)),
        None => instead_of("", names),
    }
}

impl Absences {
    /// What a feed that was read to its end has not seen.
    pub fn of(feed: &Feed, job: &Job, args: &Args) -> Self {
        let (unseen, names) = (feed.unseen(), feed.names());
        let mut fields: Vec<Absent> = Vec::new();
        for (field, _) in &unseen {
            if fields.iter().any(|f| f.field == *field) {
                continue;
            }
            let is_text = feed.fields().column(field, FieldKind::Keyword).is_some() && !unseen.contains(&(field.clone(), FieldKind::Keyword));
            let mapped = args.map.iter().filter_map(|pair| pair.split_once('=')).find(|(f, _)| f == field);
            fields.push(Absent {
                name: mapped.map_or(field.as_str(), |(_, name)| name).to_owned(),
                features: specs(job).filter(|s| reads(s).contains(&field.as_str())).map(|s| s.name.clone()).collect(),
                // A name that is the field itself is no hint: lines of this format may have it, and none has.
                likely: likely(field, &names).filter(|name| !is_text && name != field).map(str::to_owned),
                is_text,
                is_mapped: mapped.is_some(),
                field: field.clone(),
            });
        }
        let is_empty = |s: &FeatureSpec| {
            let fields_of = reads(s);
            let is_unseen = |name: &str| fields.iter().any(|f| f.field == name);
            s.field.as_deref().is_some_and(is_unseen) || (!fields_of.is_empty() && fields_of.iter().all(|f| is_unseen(f)))
        };
        let living: Vec<&str> = specs(job).filter(|s| !is_empty(s)).map(|s| s.name.as_str()).collect();
        let is_nothing_judged = !fields.is_empty() && !job.detectors.iter().any(|d| judges(&d.options, job, &living));
        Self { fields, is_nothing_judged, names }
    }

    /// True when a field that `--map` names is nowhere.
    pub fn is_wrong_map(&self) -> bool {
        self.fields.iter().any(|f| f.is_mapped)
    }

    /// One line for each field that `--map` names, and one for all others.
    pub fn lines(&self, preset: &str) -> Vec<String> {
        let mut out = Vec::new();
        for f in self.fields.iter().filter(|f| f.is_mapped) {
            out.push(format!("--map {}={}: no line has {}; {}", f.field, f.name, f.shown(), column_for(&f.field, &f.name, &self.names)));
        }
        let others: Vec<&Absent> = self.fields.iter().filter(|f| !f.is_mapped && !f.features.is_empty()).collect();
        if !others.is_empty() {
            let mut features: Vec<&str> = Vec::new();
            for name in others.iter().flat_map(|f| &f.features) {
                if !features.contains(&name.as_str()) {
                    features.push(name);
                }
            }
            let fields = others.iter().map(|f| f.shown()).collect::<Vec<_>>().join(" or ");
            let features = features.join(", ");
            out.push(format!("no line has {fields}, which preset `{preset}` reads ({features}); {}", self.way_out(&others)));
        }
        out
    }

    /// How to say what fields are called, what there is to choose from, and which of it they most likely are.
    pub fn way_out(&self, absent: &[&Absent]) -> String {
        let (field, it) = if let [one] = absent { (one.field.as_str(), "it") } else { ("FIELD", "each") };
        let maps = absent.iter().filter_map(|f| Some(format!("--map {}={}", f.field, printable(f.likely.as_ref()?.as_bytes(), 60))));
        let maps = maps.collect::<Vec<_>>().join(" ");
        let like = if maps.is_empty() { String::new() } else { format!("; did you mean {maps}?") };
        format!("--map {field}=NAME says what {it} is called in the file ({}{like})", instead_of("", &self.names))
    }

    /// The fields of these names that no line has.
    pub fn among(&self, names: &[String]) -> Vec<&Absent> {
        names.iter().filter_map(|name| self.fields.iter().find(|f| f.field == *name)).collect()
    }
}

impl Absent {
    fn shown(&self) -> String {
        if self.is_text { format!("a number in the field `{}`", self.name) } else { format!("the field `{}`", self.name) }
    }
}

fn specs(job: &Job) -> impl Iterator<Item = &FeatureSpec> {
    job.features.iter().chain(&job.value_features)
}

/// Every field that a feature reads.
fn reads(spec: &FeatureSpec) -> Vec<&str> {
    let filter = spec.filter.iter().flat_map(|f| f.fields()).map(|(name, _)| name);
    spec.field.as_deref().into_iter().chain(filter).collect()
}

/// True when a detector has one of these features to judge: it looks at those that its options name, and without any at all.
fn judges(options: &serde_json::Map<String, serde_json::Value>, job: &Job, living: &[&str]) -> bool {
    let texts = options.values().flat_map(|v| v.as_array().map_or_else(|| vec![v], |list| list.iter().collect())).filter_map(|v| v.as_str());
    let named: Vec<&str> = texts.filter(|t| specs(job).any(|s| s.name == *t)).collect();
    if named.is_empty() { !living.is_empty() } else { named.iter().any(|n| living.contains(n)) }
}
