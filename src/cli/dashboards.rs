//! Dashboards on the command line: `setup --dashboards` imports them, `export dashboards` prints them.

use serde_json::json;

use super::exit::Exit;
use crate::config::{Config, Login};
use crate::dashboards::import::{self, Imported, Place, import};
use crate::dashboards::{Target, ndjson};

/// Where dashboards are to be imported.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct To {
    /// Import the dashboards into Kibana or OpenSearch Dashboards at this address.
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "http://localhost:5601")]
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
    let text = |o: &Option<String>| o.clone().unwrap_or_default();
    let cluster = config.cluster.as_ref();
    let place = Place {
        url: url.clone(),
        login: cluster.map_or(import::Login::None, |c| login(&c.login)),
        ca_pem: cluster.and_then(|c| c.ca_pem.clone()),
        verify: cluster.is_none_or(|c| c.verify),
        space: text(&to.space),
        tenant: text(&to.tenant),
        workspace: text(&to.workspace),
        overwrite: !to.keep_existing,
        prefix: config.indices.prefix.clone(),
    };
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err((Exit::BadConfig, format!("--dashboards `{url}` is no address; write it like https://kibana:5601")));
    }
    if is_dry {
        if !is_json {
            println!("  import     dashboards into {url}");
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
        println!("{}", json!({ "dashboards": done }));
        return;
    }
    println!("  imported   {} objects for {} into {} at {url}", done.objects, done.target, done.server);
    if !done.warning.is_empty() {
        eprintln!("elkhound: {}", done.warning);
    }
}

/// For which product to print.
#[derive(Debug, Clone, clap::Args)]
pub struct For {
    /// Which product the file is for.
    #[arg(long, value_enum, default_value = "kibana")]
    product: Product,
    /// What the names of the indices begin with.
    #[arg(long, default_value = "elkhound")]
    prefix: String,
}

/// The products.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Product {
    Kibana,
    Opensearch,
}

/// Prints the file to import.
pub fn print(to: &For) -> Exit {
    let target = match to.product {
        Product::Kibana => Target::Kibana,
        Product::Opensearch => Target::OpenSearch,
    };
    print!("{}", ndjson(target, &to.prefix));
    Exit::Ok
}
