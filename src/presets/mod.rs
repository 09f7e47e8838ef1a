//! Presets: ready jobs as data. Everything in them can be overridden by the job that uses them.
//!
//! To add one: one YAML file here, one line in [`CATALOGUE`].

use crate::model::Part;

/// An entry of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Name, description, example.
    pub part: Part,
    /// The keys of a job, as YAML.
    pub yaml: &'static str,
}

/// Every preset there is.
pub const CATALOGUE: &[Preset] = &[
    Preset {
        part: Part {
            name: "web_access",
            description: "Client addresses of a web server: scans, floods, brute force; exfiltration with `robust` added over sizes.",
            example: "{ id: web, preset: web_access, index: \"logs-nginx.access-*\" }",
        },
        yaml: include_str!("web_access.yaml"),
    },
    Preset {
        part: Part {
            name: "web_service",
            description: "Web sites as a whole: distributed floods, error storms, a service that goes silent.",
            example: "{ id: sites, preset: web_service, index: \"logs-nginx.access-*\" }",
        },
        yaml: include_str!("web_service.yaml"),
    },
    Preset {
        part: Part {
            name: "web_total",
            description: "All requests together, for logs that do not name the site: distributed floods, silence.",
            example: "{ id: total, preset: web_total, index: \"logs-nginx.access-*\" }",
        },
        yaml: include_str!("web_total.yaml"),
    },
    Preset {
        part: Part {
            name: "ssh_auth",
            description: "Client addresses of SSH servers: password guessing, user enumeration, unusual logins.",
            example: "{ id: ssh, preset: ssh_auth, index: \"logs-system.auth-*\" }",
        },
        yaml: include_str!("ssh_auth.yaml"),
    },
    Preset {
        part: Part {
            name: "siem_alerts",
            description: "Alerts of other tools by host: rules that never fired there, or far more often than usual.",
            example: "{ id: alerts, preset: siem_alerts, index: \"alerts-*\" }",
        },
        yaml: include_str!("siem_alerts.yaml"),
    },
    Preset {
        part: Part {
            name: "api_audit",
            description: "Users of a cloud or application interface: first and rare actions, denied calls, bursts.",
            example: "{ id: audit, preset: api_audit, index: \"logs-aws.cloudtrail-*\" }",
        },
        yaml: include_str!("api_audit.yaml"),
    },
    Preset {
        part: Part {
            name: "metrics",
            description: "Many entities with a few numbers each, such as hosts or services: spikes, drifts, broken relations, flat lines.",
            example: "{ id: hosts, preset: metrics, index: \"metrics-*\", entity_fields: [host.name] }",
        },
        yaml: include_str!("metrics.yaml"),
    },
    Preset {
        part: Part {
            name: "series",
            description: "One number over time, such as a metric sampled at fixed steps.",
            example: "{ id: cpu, preset: series, index: \"metrics-*\" }",
        },
        yaml: include_str!("series.yaml"),
    },
    Preset {
        part: Part {
            name: "table",
            description: "Rows of many numbers: each row against the rows of a table to learn from.",
            example: "{ id: rows, preset: table, index: \"features-*\" }",
        },
        yaml: include_str!("table.yaml"),
    },
];

/// The preset of a name.
pub fn find(name: &str) -> Option<&'static Preset> {
    CATALOGUE.iter().find(|p| p.part.name == name)
}

/// Names of all presets.
pub fn names() -> Vec<&'static str> {
    CATALOGUE.iter().map(|p| p.part.name).collect()
}
