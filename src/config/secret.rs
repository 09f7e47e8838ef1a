//! Secrets: read from files or the environment, never printed.

use std::fmt;
use std::path::Path;

use serde_json::json;

use super::ConfigError;
use super::section::{Mistakes, Section};

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Who we are to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// Nobody.
    None,
    /// User and password.
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: Secret,
    },
    /// An API key in its encoded form.
    ApiKey(Secret),
    /// A bearer token.
    Bearer(Secret),
}

impl Login {
    /// A login named on the command line instead of the configuration's.
    pub fn from_files(user: Option<&str>, password_file: Option<&Path>, api_key_file: Option<&Path>) -> Result<Self, ConfigError> {
        let mistakes = Mistakes::default();
        let value = json!({ "user": user, "password_file": password_file, "api_key_file": api_key_file });
        let out = login(&Section::new("", &value, &mistakes), Path::new(""));
        let mistakes = mistakes.into_list();
        if mistakes.is_empty() { Ok(out) } else { Err(ConfigError { mistakes }) }
    }
}

/// Largest file that is taken for a secret.
const MAX_BYTES: u64 = 64 << 10;

/// Reads the login of the cluster section; more than one way, or half of one, is a mistake.
pub fn login(s: &Section<'_>, folder: &Path) -> Login {
    let before = s.mistakes().count();
    let user = s.text("user");
    let password = secret(s, "password", "password_file", folder);
    let api_key = secret(s, "api_key", "api_key_file", folder);
    let bearer = secret(s, "bearer", "bearer_file", folder);
    if s.mistakes().count() > before {
        return Login::None;
    }
    let ways = usize::from(user.is_some() || password.is_some()) + usize::from(api_key.is_some()) + usize::from(bearer.is_some());
    if ways > 1 {
        s.wrong("user", "there is more than one way to log in", "keep one of: user and password, API key, bearer token");
    }
    match (user, password, api_key, bearer) {
        (_, _, Some(key), _) => Login::ApiKey(encoded(key)),
        (_, _, _, Some(token)) => Login::Bearer(token),
        (Some(user), Some(password), ..) => Login::Basic { user, password },
        (Some(_), None, ..) => {
            s.wrong("user", "there is a user and no password", "name a `password_file`, or write `password: ${NAME}`");
            Login::None
        }
        (None, Some(_), ..) => {
            s.wrong("password", "there is a password and no user", "add `user`");
            Login::None
        }
        (None, None, None, None) => Login::None,
    }
}

/// A secret from a file or, where the loader let it through, from the environment.
fn secret(s: &Section<'_>, plain: &'static str, file: &'static str, folder: &Path) -> Option<Secret> {
    let (typed, named) = (s.text(plain), s.text(file));
    if typed.is_some() && named.is_some() {
        s.wrong(file, format!("both `{plain}` and `{file}` are given"), "keep one of them");
    }
    let text = match (typed, named) {
        (_, Some(name)) => {
            let path = folder.join(&name);
            match read_file(&path) {
                Ok(text) => text,
                Err(e) => {
                    s.wrong(file, format!("{} cannot be read: {e}", path.display()), "check its path and permissions");
                    return None;
                }
            }
        }
        (Some(text), None) => text,
        (None, None) => return None,
    };
    let text = text.trim_end_matches(['\r', '\n']).to_owned();
    if text.is_empty() {
        s.wrong(plain, "the secret is empty", "put it into the file or the environment variable");
        return None;
    }
    Some(Secret(text))
}

fn read_file(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
    if size > MAX_BYTES {
        return Err(format!("it has {size} bytes, a secret has at most {MAX_BYTES}"));
    }
    std::fs::read_to_string(path).map_err(|e| e.to_string())
}

/// `id:key` becomes the encoded form that is sent; an encoded key has no colon and stays.
fn encoded(key: Secret) -> Secret {
    use base64::Engine;
    if key.0.contains(':') { Secret(base64::engine::general_purpose::STANDARD.encode(key.0.trim())) } else { key }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed_and_a_pair_is_encoded() {
        let mistakes = Mistakes::default();
        let value = json!({ "api_key": "id:hunter2" });
        let login = login(&Section::new("cluster", &value, &mistakes), Path::new("."));
        assert!(!format!("{login:?}").contains("hunter2"));
        assert_eq!(login, Login::ApiKey(Secret("aWQ6aHVudGVyMg==".into())));
    }

    #[test]
    fn half_a_login_or_two_are_mistakes() {
        for (value, path) in [
            (json!({ "user": "u" }), "cluster.user"),
            (json!({ "password": "p" }), "cluster.password"),
            (json!({ "user": "u", "password": "p", "api_key": "k" }), "cluster.user"),
            (json!({ "api_key_file": "no/such/file" }), "cluster.api_key_file"),
            (json!({ "bearer": "" }), "cluster.bearer"),
        ] {
            let mistakes = Mistakes::default();
            login(&Section::new("cluster", &value, &mistakes), Path::new("."));
            assert_eq!(mistakes.into_list().first().map(|m| m.path.clone()), Some(path.to_owned()), "{value}");
        }
    }
}
