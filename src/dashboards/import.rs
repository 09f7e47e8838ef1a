//! Brings the dashboards into a running server through its saved-objects API.
//!
//! HTTP 200 is not success here: an import counts only when the answer says `success` and counts as many objects as
//! were sent. With `missing_references` nothing was written although the answer lists successes.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Logs, Target, log_views, ndjson};
use crate::model::problem::printable;

/// Longest wait for an answer.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Objects that failed and are named in the message.
const MAX_NAMED: usize = 5;
/// Ends a part of the request; no object can hold it, because objects are JSON on one line.
const BOUNDARY: &str = "elkhound-saved-objects-5f1b7c";

/// Who we are.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Login {
    /// Nobody.
    #[default]
    None,
    /// User and password.
    Basic(String, String),
    /// Value of the `Authorization` header after its scheme: (`ApiKey` or `Bearer`, secret).
    Token(&'static str, String),
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::None { "None" } else { "redacted" })
    }
}

/// Where to import.
#[derive(Debug, Clone)]
pub struct Place {
    /// Address of the server with its base path, such as `https://kibana:5601`.
    pub url: String,
    /// Who we are.
    pub login: Login,
    /// Authorities to trust beside the public ones, as PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// False accepts any certificate.
    pub verify: bool,
    /// Kibana space; the default one when empty.
    pub space: String,
    /// Tenant of the security plugin of OpenSearch Dashboards; that of the user when empty.
    pub tenant: String,
    /// Workspace id of OpenSearch Dashboards; none when empty.
    pub workspace: String,
    /// Replaces objects that are there already.
    pub overwrite: bool,
    /// Prefix of index names and ids.
    pub prefix: String,
    /// Logs that findings link to.
    pub logs: Vec<Logs>,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            url: String::new(),
            login: Login::None,
            ca_pem: None,
            verify: true,
            space: String::new(),
            tenant: String::new(),
            workspace: String::new(),
            overwrite: true,
            prefix: "elkhound".into(),
            logs: Vec::new(),
        }
    }
}

/// What was imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// Product and version of the server.
    pub server: String,
    /// The file that fitted.
    pub target: &'static str,
    /// Objects.
    pub objects: u64,
    /// Something to know, such as a version newer than what was tried; empty when there is nothing.
    pub warning: String,
}

/// Why an import failed: what is wrong, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ImportError {
    /// What is wrong, and what to do.
    pub message: String,
    /// True when credentials are missing or too weak.
    pub is_denied: bool,
    /// True when there was no answer.
    pub is_absent: bool,
}

fn failed(message: impl Into<String>) -> ImportError {
    ImportError { message: message.into(), is_denied: false, is_absent: false }
}

#[derive(Deserialize)]
struct Status {
    version: StatusVersion,
}

#[derive(Deserialize)]
struct StatusVersion {
    number: String,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Answer {
    success: bool,
    success_count: u64,
    errors: Vec<ObjectError>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ObjectError {
    #[serde(rename = "type")]
    kind: String,
    id: String,
    error: Value,
}

/// Imports all dashboards, in the form that the server understands.
pub async fn import(place: &Place) -> Result<Imported, ImportError> {
    let client = client(place)?;
    let number = version(&client, place).await?;
    let (target, server, warning) = choose(&number)?;
    let file = ndjson(target, &place.prefix) + &log_views(target, &place.prefix, &place.logs);
    let sent = file.lines().count() as u64;
    let body = multipart(&file);
    let mut url = format!("{}/api/saved_objects/_import?overwrite={}", base(place), place.overwrite);
    if !place.workspace.is_empty() {
        let id: String = url::form_urlencoded::byte_serialize(place.workspace.as_bytes()).collect();
        url.push_str(&format!("&workspaces={id}"));
    }
    let request = client.post(&url).header("content-type", format!("multipart/form-data; boundary={BOUNDARY}")).body(body);
    let (status, text) = send(place, request).await?;
    judge(place, status, &text, sent)?;
    Ok(Imported { server, target: target.name(), objects: sent, warning })
}

fn client(place: &Place) -> Result<reqwest::Client, ImportError> {
    let mut builder = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().redirect(reqwest::redirect::Policy::none());
    if let Some(pem) = &place.ca_pem {
        let certificate =
            reqwest::Certificate::from_pem(pem).map_err(|e| failed(format!("the CA file for the dashboards server cannot be read: {e}")))?;
        builder = builder.add_root_certificate(certificate);
    }
    if !place.verify {
        builder = builder.danger_accept_invalid_certs(true);
    }
    builder.build().map_err(|e| failed(format!("no client could be made for {}: {e}", place.url)))
}

/// Address of the server with its space.
fn base(place: &Place) -> String {
    let url = place.url.trim_end_matches('/');
    if place.space.is_empty() {
        return url.to_owned();
    }
    let space: String = url::form_urlencoded::byte_serialize(place.space.as_bytes()).collect();
    format!("{url}/s/{space}")
}

async fn send(place: &Place, request: reqwest::RequestBuilder) -> Result<(u16, String), ImportError> {
    // Each product wants its own header and ignores the other's.
    let mut request = request.header("kbn-xsrf", "elkhound").header("osd-xsrf", "elkhound");
    request = match &place.login {
        Login::None => request,
        Login::Basic(user, password) => request.basic_auth(user, Some(password)),
        Login::Token(scheme, secret) => request.header("authorization", format!("{scheme} {secret}")),
    };
    if !place.tenant.is_empty() {
        request = request.header("securitytenant", &place.tenant);
    }
    let absent = |e: reqwest::Error| ImportError {
        message: format!("the dashboards server at {} does not answer ({}): is it running, and is the address right?", place.url, cause(&e)),
        is_denied: false,
        is_absent: true,
    };
    let answer = request.send().await.map_err(absent)?;
    let status = answer.status().as_u16();
    let text = answer.text().await.map_err(absent)?;
    Ok((status, text))
}

/// The innermost reason, which is the one that helps.
fn cause(e: &reqwest::Error) -> String {
    let mut inner: &dyn std::error::Error = e;
    while let Some(next) = inner.source() {
        inner = next;
    }
    printable(inner.to_string().as_bytes(), 200)
}

async fn version(client: &reqwest::Client, place: &Place) -> Result<String, ImportError> {
    let (status, text) = send(place, client.get(format!("{}/api/status", base(place)))).await?;
    refuse(place, status, &text)?;
    serde_json::from_str::<Status>(&text).map(|s| s.version.number).map_err(|_| {
        failed(format!(
            "{} answers, but not as Kibana or OpenSearch Dashboards does: it says \"{}\"; is the address that of a proxy or of the cluster itself?",
            place.url,
            printable(text.as_bytes(), 80)
        ))
    })
}

/// The file for a version, the server's name, and a warning. Kibana counts from 7 on, OpenSearch Dashboards from 1.
fn choose(number: &str) -> Result<(Target, String, String), ImportError> {
    let mut parts = number.split('.').map(|p| p.parse::<u32>().unwrap_or(0));
    let (major, minor) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    let newer =
        |name: &str, last: &str| format!("{name} {number} is newer than what these dashboards were made for (up to {last}); look at them once");
    match (major, minor) {
        (1..=3, _) => Ok((Target::OpenSearch, format!("OpenSearch Dashboards {number}"), String::new())),
        (4..=6, _) => Ok((Target::OpenSearch, format!("OpenSearch Dashboards {number}"), newer("OpenSearch Dashboards", "3"))),
        (7, 10..) | (8, 0..=8) => Ok((
            Target::OpenSearch,
            format!("Kibana {number}"),
            format!("Kibana {number} is older than 8.9 and gets the classic charts; newer ones get Lens"),
        )),
        (8..=9, _) => Ok((Target::Kibana, format!("Kibana {number}"), String::new())),
        (10.., _) => Ok((Target::Kibana, format!("Kibana {number}"), newer("Kibana", "9"))),
        _ => Err(failed(format!(
            "the dashboards server is version {number}; the oldest that can be used are Kibana 7.10 and OpenSearch Dashboards 1.0"
        ))),
    }
}

fn multipart(file: &str) -> String {
    format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"elkhound.ndjson\"\r\ncontent-type: application/ndjson\r\n\r\n{file}\r\n--{BOUNDARY}--\r\n"
    )
}

/// Refusals that the status says.
fn refuse(place: &Place, status: u16, text: &str) -> Result<(), ImportError> {
    let said = said(text);
    let denied = |message: String| ImportError { message, is_denied: true, is_absent: false };
    match status {
        200 => Ok(()),
        300..=399 => Err(denied(format!("{} asks to log in: give credentials, or correct its base path", place.url))),
        401 => Err(denied(format!("{} does not accept the credentials", place.url))),
        403 if is_read_only(text) => Err(failed(format!(
            "the cluster behind {} is read-only, so nothing can be imported ({said}); free disk space or lift the block",
            place.url
        ))),
        403 => Err(denied(format!(
            "the user may not import saved objects at {} ({said}); the role needs write access to dashboards, index patterns and visualizations",
            place.url
        ))),
        404 if !place.space.is_empty() => Err(failed(format!("{} has no space `{}` ({said}); create it or name another", place.url, place.space))),
        404 => Err(failed(format!("{} has no saved-objects API ({said}); correct the address, with its base path", place.url))),
        422 => Err(failed(format!("{} is older than these dashboards and refused them as a whole, nothing was written ({said})", place.url))),
        503 => Err(ImportError { message: format!("{} is not ready yet ({said}); try again", place.url), is_denied: false, is_absent: true }),
        other => Err(failed(format!("{} answered {other}: {said}", place.url))),
    }
}

fn is_read_only(text: &str) -> bool {
    ["cluster_block_exception", "FORBIDDEN/", "read-only", "read_only"].iter().any(|w| text.contains(w))
}

/// What an answer says, cut and made printable.
fn said(text: &str) -> String {
    let message = serde_json::from_str::<Value>(text).ok().and_then(|v| v["message"].as_str().map(str::to_owned));
    printable(message.as_deref().unwrap_or(text).as_bytes(), 200)
}

/// Whether an import really happened.
fn judge(place: &Place, status: u16, text: &str, sent: u64) -> Result<(), ImportError> {
    refuse(place, status, text)?;
    let answer: Answer = serde_json::from_str(text).map_err(|_| {
        failed(format!("{} answered the import with something that is not its own JSON: \"{}\"", place.url, printable(text.as_bytes(), 80)))
    })?;
    if answer.success && answer.success_count == sent {
        return Ok(());
    }
    if answer.errors.is_empty() {
        return Err(failed(format!("{} took {} of {sent} objects and did not say why; look at its log", place.url, answer.success_count)));
    }
    if answer.errors.iter().any(|e| is_read_only(&e.error.to_string())) {
        return Err(failed(format!("the cluster behind {} is read-only, so nothing can be imported; free disk space or lift the block", place.url)));
    }
    let named: Vec<String> = answer.errors.iter().take(MAX_NAMED).map(describe).collect();
    let more = answer.errors.len().saturating_sub(MAX_NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    let is_nothing = answer.errors.iter().any(|e| e.error["type"] == "missing_references");
    let state =
        if is_nothing { "nothing was written".to_owned() } else { format!("{} of {sent} objects may have been written", answer.success_count) };
    Err(failed(format!("the import into {} failed, {state}: {}{more}", place.url, named.join("; "))))
}

fn describe(e: &ObjectError) -> String {
    let kind = e.error["type"].as_str().unwrap_or("unknown");
    let advice = match kind {
        "conflict" => "exists already: import with overwrite".to_owned(),
        "ambiguous_conflict" => "several objects fit: remove the copies".to_owned(),
        "missing_references" => {
            let missing: Vec<String> = e.error["references"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|r| format!("{} {}", r["type"].as_str().unwrap_or("?"), r["id"].as_str().unwrap_or("?")))
                .collect();
            format!("names what is not there: {}", missing.join(", "))
        }
        "unsupported_type" => "this server does not know the type (OpenSearch Dashboards 3.7.0 says so wrongly; use another version)".to_owned(),
        other => e.error["message"].as_str().unwrap_or(other).to_owned(),
    };
    printable(format!("{} {}: {advice}", e.kind, e.id).as_bytes(), 300)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_gets_the_file_that_fits() {
        let chosen = |n: &str| choose(n).map(|(t, _, w)| (t, w.is_empty()));
        for n in ["1.3.20", "2.19.4", "3.0.0"] {
            assert_eq!(chosen(n), Ok((Target::OpenSearch, true)), "{n}");
        }
        assert_eq!(chosen("7.17.0"), Ok((Target::OpenSearch, false)));
        assert_eq!(chosen("8.8.2"), Ok((Target::OpenSearch, false)));
        assert_eq!(chosen("8.9.0"), Ok((Target::Kibana, true)));
        assert_eq!(chosen("9.4.1-SNAPSHOT"), Ok((Target::Kibana, true)));
        assert_eq!(chosen("10.0.0"), Ok((Target::Kibana, false)));
        for n in ["7.9.3", "0.1", "", "x"] {
            assert!(chosen(n).is_err(), "{n}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let place = Place { login: Login::Basic("u".into(), "hunter2".into()), ..Place::default() };
        assert!(!format!("{place:?}").contains("hunter2"));
    }
}
