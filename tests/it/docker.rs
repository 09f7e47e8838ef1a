//! The container files cannot be run here: every path, option and setting that they name is checked instead.

use std::path::{Path, PathBuf};

use clap::Parser;
use elkhound::cli::Cli;
use elkhound::config::{self, Environment};
use serde_json::Value;

const STACKS: [&str; 2] = ["compose.elasticsearch.yaml", "compose.opensearch.yaml"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docker")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

fn yaml(name: &str) -> Value {
    let source = ::config::File::from_str(&read(name), ::config::FileFormat::Yaml);
    ::config::Config::builder().add_source(source).build().unwrap().try_deserialize().unwrap()
}

fn words(value: &Value) -> Vec<String> {
    value.as_array().map(|l| l.iter().map(|w| w.as_str().unwrap().to_owned()).collect()).unwrap_or_default()
}

#[test]
fn every_path_in_the_stacks_exists_and_every_command_parses() {
    for stack in STACKS {
        let file = yaml(stack);
        let services = file["services"].as_object().unwrap();
        for (name, service) in services {
            for mount in words(&service["volumes"]) {
                let from = mount.split(':').next().unwrap();
                assert!(folder().join(from).is_file() && mount.ends_with(":ro"), "{stack}: {name}: {mount}");
            }
            if let Some(dockerfile) = service["build"]["dockerfile"].as_str() {
                assert!(folder().join("..").join(dockerfile).is_file(), "{stack}: {dockerfile}");
            }
            for other in service["depends_on"].as_object().into_iter().flat_map(|d| d.keys()) {
                assert!(services.contains_key(other), "{stack}: {name} waits for {other}, which is not there");
            }
            for port in words(&service["ports"]) {
                assert!(port.starts_with("127.0.0.1:"), "{stack}: {name}: no port is open to the network");
            }
            if service["image"].as_str().unwrap().starts_with("elkhound") {
                let line = std::iter::once("elkhound".to_owned()).chain(words(&service["command"]));
                Cli::try_parse_from(line).unwrap_or_else(|e| panic!("{stack}: {name}: {e}"));
                assert_eq!(service["read_only"], true, "{stack}: {name}");
            }
        }
    }
}

#[test]
fn the_configuration_of_the_stacks_is_valid_with_its_environment() {
    for stack in STACKS {
        let file = yaml(stack);
        // The loader of these files writes keys in small letters; variables are upper case.
        let own: Vec<(String, String)> = file["services"]["elkhound"]["environment"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(k, v)| (k.to_uppercase(), v.as_str().unwrap().to_owned()))
            .filter(|(k, _)| k.starts_with("ELKHOUND__"))
            .collect();
        assert!(!own.is_empty());
        let own: Vec<(&str, &str)> = own.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let config = config::load_text(&read("elkhound.yaml"), &folder(), &Environment::of(&own)).unwrap_or_else(|e| panic!("{stack}: {e}"));
        assert_eq!((config.jobs.len(), config.telemetry.listen.map(|a| a.port())), (1, Some(9600)), "{stack}");
    }
}

#[test]
fn every_variable_is_read_by_what_gets_it_and_every_file_in_a_container_is_mounted() {
    let feed = read("feed.sh");
    for stack in STACKS {
        for (name, service) in yaml(stack)["services"].as_object().unwrap() {
            let mounted: Vec<String> = words(&service["volumes"]).iter().filter_map(|v| v.split(':').nth(1).map(str::to_owned)).collect();
            let named = words(&service["command"]).into_iter().chain(words(&service["entrypoint"]));
            for word in named.filter(|w| w.starts_with('/') && !w.starts_with("/bin/")) {
                assert!(mounted.contains(&word), "{stack}: {name}: {word} is not in the container");
            }
            for (key, value) in service["environment"].as_object().into_iter().flatten() {
                let (key, value) = (key.to_uppercase(), value.as_str().unwrap_or_default());
                match key.as_str() {
                    "ELKHOUND_CONFIG" => assert!(mounted.iter().any(|m| m == value), "{stack}: {value} is not in the container"),
                    "SEARCH_URL" => assert!(feed.contains("SEARCH_URL") && value == "http://search:9200", "{stack}: {name}"),
                    other => assert!(!value.is_empty(), "{stack}: {name}: {other}"),
                }
                // An address names a service of the stack with its port.
                for address in value.split('"').filter(|v| v.starts_with("http://")) {
                    assert_eq!(address, "http://search:9200", "{stack}: {name}: {key}");
                }
            }
        }
        let config = config::load_text(&read("elkhound.yaml"), &folder(), &Environment::default()).unwrap();
        assert_eq!(config.cluster.unwrap().hosts, ["http://search:9200"]);
        let port = words(&yaml(stack)["services"]["dashboards"]["ports"])[0].split(':').nth(1).unwrap().to_owned();
        assert_eq!(config.dashboards_url, Some(format!("http://localhost:{port}")), "{stack}: links lead to the published port");
        let index = &config.jobs[0].index;
        assert!(feed.contains(&format!("/{index}\"")) || feed.contains(&format!("/{index}/")), "the feed writes what the job reads");
    }
}

#[test]
fn the_image_copies_what_exists_and_runs_as_nobody() {
    let text = read("Dockerfile");
    for line in text.lines().filter(|l| l.starts_with("COPY ") && !l.contains("--from")) {
        let mut names: Vec<&str> = line.split_whitespace().skip(1).collect();
        names.pop();
        for name in names {
            assert!(folder().join("..").join(name).exists(), "{line}");
        }
    }
    assert!(text.contains("USER 65532") && text.contains("HEALTHCHECK"));
    for line in text.lines().filter(|l| l.starts_with("CMD [") || l.starts_with("HEALTHCHECK")) {
        let list: Vec<String> = serde_json::from_str(&line[line.find('[').unwrap()..]).unwrap();
        let words = list.into_iter().filter(|w| !w.ends_with("/elkhound"));
        Cli::try_parse_from(std::iter::once("elkhound".to_owned()).chain(words)).unwrap_or_else(|e| panic!("{line}: {e}"));
    }
    // Everything that the program embeds is in the image's build.
    for folder in ["src", "mappings"] {
        assert!(text.contains(&format!("COPY {folder} {folder}")));
    }
}

#[test]
fn the_feed_is_a_script_that_a_shell_reads() {
    let output = std::process::Command::new("sh").arg("-n").arg(folder().join("feed.sh")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
