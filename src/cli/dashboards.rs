//! Dashboards on the command line: `setup --dashboards` imports them, `export dashboards` prints them.

use serde_json::json;

use super::connect::ConfigFile;
use super::exit::Exit;
use super::{failed, warned};
use crate::config::{self, Config, Environment, Login};
use crate::dashboards::import::{self, Imported, Place, import};
use crate::dashboards::{Logs, Target, log_views, ndjson};

/// Where dashboards are to be imported.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct To {
    /// Import the dashboards into Kibana or OpenSearch Dashboards at this address, or that of `dashboards.url`.
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "")]
    pub dashboards: Option<String>,
    /// Kibana space to import into.
    #[arg(long, value_name = "NAME", requires = "dashboards")]
    space: Option<String>,
    /// Tenant of OpenSearch Dashboards to import into.
    #[arg(long, value_name = "NAME", requires = "dashboards")]
    tenant: Option<String>,
    /// Id of the OpenSearch Dashboards workspace to import into.
    #[arg(long, value_name = "ID", requires = "dashboards")]
    workspace: Option<String>,
    /// Leave objects alone that are there already, and fail instead.
    #[arg(long, requires = "dashboards")]
    keep_existing: bool,
}

/// Imports with the login and the certificates of the cluster, and says what happened.
pub async fn install(to: &To, config: &Config, is_dry: bool, is_json: bool) -> Result<(), (Exit, String)> {
    let Some(url) = &to.dashboards else { return Ok(()) };
    let own = config.dashboards_url.as_deref().unwrap_or("http://localhost:5601");
    let url = if url.is_empty() { own } else { url };
    let text = |o: &Option<String>| o.clone().unwrap_or_default();
    let cluster = config.cluster.as_ref();
    let place = Place {
        url: url.to_owned(),
        login: cluster.map_or(import::Login::None, |c| login(&c.login)),
        ca_pem: cluster.and_then(|c| c.ca_pem.clone()),
        verify: cluster.is_none_or(|c| c.verify),
        space: text(&to.space),
        tenant: text(&to.tenant),
        workspace: text(&to.workspace),
        overwrite: !to.keep_existing,
        prefix: config.indices.prefix.clone(),
        logs: logs(config),
    };
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err((Exit::BadConfig, format!("--dashboards `{url}` is no address; write it like https://kibana:5601")));
    }
    if is_dry {
        if !is_json {
            say!("  import     dashboards into {url}");
        }
        return Ok(());
    }
    match import(&place).await {
        Ok(done) => {
            say(&done, url, is_json);
            Ok(())
        }
        Err(e) if e.is_denied => Err((Exit::NoPermission, e.message)),
        Err(e) if e.is_absent => Err((Exit::Unavailable, e.message)),
        Err(e) => Err((Exit::Failure, e.message)),
    }
}

fn login(login: &Login) -> import::Login {
    match login {
        Login::None => import::Login::None,
        Login::Basic { user, password } => import::Login::Basic(user.clone(), password.reveal().to_owned()),
        Login::ApiKey(key) => import::Login::Token("ApiKey", key.reveal().to_owned()),
        Login::Bearer(token) => import::Login::Token("Bearer", token.reveal().to_owned()),
    }
}

fn say(done: &Imported, url: &str, is_json: bool) {
    if is_json {
        say!("{}", json!({ "dashboards": done }));
        return;
    }
    say!("  imported   {} objects for {} into {} at {url}", done.objects, done.target, done.server);
    if !done.warning.is_empty() {
        warned(is_json, &done.warning);
    }
}

/// What the jobs read.
fn logs(config: &Config) -> Vec<Logs> {
    config.jobs.iter().map(|j| Logs { index: j.index.clone(), time_field: j.time_field.clone() }).collect()
}

/// For which product to print.
#[derive(Debug, Clone, clap::Args)]
pub struct For {
    /// Which product the file is for; Kibana when it is not given.
    #[arg(long, value_enum)]
    product: Option<Product>,
    /// What the names of the indices begin with; `indices.prefix` of the configuration when it is not given.
    #[arg(long)]
    prefix: Option<String>,
    /// With a configuration the data views of its jobs' logs are printed too.
    #[command(flatten)]
    file: ConfigFile,
}

/// The products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Product {
    Kibana,
    Opensearch,
}

/// Prints the file to import.
pub fn print(to: &For, is_json: bool) -> Exit {
    if to.product.is_none() {
        warned(is_json, "this is for Kibana; --product opensearch prints it for OpenSearch Dashboards");
    }
    let target = match to.product.unwrap_or(Product::Kibana) {
        Product::Kibana => Target::Kibana,
        Product::Opensearch => Target::OpenSearch,
    };
    let file = to.file.config.as_deref();
    let config = match file.map(|f| config::load(Some(f), &Environment::of_process())).transpose() {
        Ok(config) => config,
        Err(e) => {
            return failed(is_json, Exit::BadConfig, &e.to_string());
        }
    };
    let own = config.as_ref().map_or("elkhound", |c| c.indices.prefix.as_str());
    let prefix = to.prefix.as_deref().unwrap_or(own);
    say_text!("{}{}", ndjson(target, prefix), log_views(target, prefix, &config.as_ref().map(logs).unwrap_or_default()));
    Exit::Ok
}
