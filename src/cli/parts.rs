//! `elkhound parts`: every interchangeable part with its words.

use serde_json::json;

use super::exit::Exit;
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

/// Prints the parts.
pub fn run(args: &Args, json: bool) -> Exit {
    let all = catalogues();
    if let Some(wanted) = &args.catalogue
        && !all.iter().any(|(name, _)| name == wanted)
    {
        let names: Vec<_> = all.iter().map(|(n, _)| *n).collect();
        tell!("elkhound: there is no catalogue `{wanted}`; there are: {}", names.join(", "));
        return Exit::Failure;
    }
    for (name, parts) in all.iter().filter(|(n, _)| args.catalogue.as_ref().is_none_or(|w| w == n)) {
        if json {
            for p in parts {
                say!("{}", json!({ "catalogue": name, "name": p.name, "description": p.description, "example": p.example }));
            }
            continue;
        }
        say!("{name}:");
        for p in parts {
            say!("  {:<18} {}\n  {:<18} {}", p.name, p.description, "", p.example.replace('\n', "\n                     "));
        }
    }
    Exit::Ok
}
