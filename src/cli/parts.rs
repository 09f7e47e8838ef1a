//! `elkhound parts`: every interchangeable part with its words.

use serde_json::json;

use super::exit::Exit;
use super::failed;
use super::needs::Needs;
use crate::config::preset_job;
use crate::model::Part;
use crate::{detectors, features, formats, presets};

/// Arguments of `parts`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this catalogue: formats, features, detectors, presets.
    pub catalogue: Option<String>,
}

/// All catalogues, in the order of the flow.
pub fn catalogues() -> Vec<(&'static str, Vec<Part>)> {
    let mut numeric: Vec<Part> = features::CATALOGUE.iter().map(|f| f.part).collect();
    numeric.push(features::values::VALUES);
    vec![
        ("formats", formats::CATALOGUE.iter().map(|f| f.part()).collect()),
        ("features", numeric),
        ("detectors", detectors::CATALOGUE.iter().map(|d| d.part).collect()),
        ("presets", presets::CATALOGUE.iter().map(|p| p.part).collect()),
    ]
}

/// The fields of a preset.
fn needs(preset: &Part) -> Option<Needs> {
    preset_job(preset.name, &json!({})).ok().map(|job| Needs::of(&job))
}

/// Prints the parts.
pub fn run(args: &Args, json: bool) -> Exit {
    let all = catalogues();
    if let Some(wanted) = &args.catalogue
        && !all.iter().any(|(name, _)| name == wanted)
    {
        let names: Vec<_> = all.iter().map(|(n, _)| *n).collect();
        return failed(json, Exit::Usage, &format!("there is no catalogue `{wanted}`; there are: {}", names.join(", ")));
    }
    for (name, parts) in all.iter().filter(|(n, _)| args.catalogue.as_ref().is_none_or(|w| w == n)) {
        if !json {
            say!("{name}:");
        }
        for p in parts {
            let needs = (*name == "presets").then(|| needs(p)).flatten();
            if json {
                let mut line = json!({ "catalogue": name, "name": p.name, "description": p.description, "example": p.example });
                if let Some(needs) = needs {
                    line["fields"] = json!(needs);
                }
                say!("{line}");
                continue;
            }
            let words = needs.map(|n| [n.line(), n.from.to_owned()]).into_iter().flatten();
            let lines = [p.description.to_owned()].into_iter().chain(words).chain(p.example.lines().map(str::to_owned));
            for (i, line) in lines.enumerate() {
                say!("  {:<18} {line}", if i == 0 { p.name } else { "" });
            }
        }
    }
    Exit::Ok
}
