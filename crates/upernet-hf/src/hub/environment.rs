//! The variables of Python's `huggingface_hub`, read by its rules.
//!
//! Source: `huggingface_hub/constants.py` and `utils/_auth.py`,
//! <https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables>.
//! hf-hub 1.0.0 knows most of them, but not the offline switch.

use std::{
    ffi::OsString,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use super::{Error, HubOptions};

/// Looks up one variable; a parameter, so that tests need not change the process's own.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Longest token file that is read, bytes; tokens have about 40.
const LONGEST_TOKEN: u64 = 4096;

/// Builds the options from what `lookup` gives.
pub(super) fn read(lookup: Lookup<'_>) -> Result<HubOptions, Error> {
    let home = hf_home(lookup);
    let cache = path(lookup, "HF_HUB_CACHE")
        .or_else(|| path(lookup, "HUGGINGFACE_HUB_CACHE"))
        .or_else(|| home.as_ref().map(|home| home.join("hub")))
        .ok_or(Error::NoCacheFolder)?;
    let offline = text(lookup, "HF_HUB_OFFLINE").or_else(|| text(lookup, "TRANSFORMERS_OFFLINE"));
    let options = HubOptions::new(cache)
        .offline(offline.is_some_and(|value| is_true(&value)))
        .token(token(lookup, home.as_deref()).as_deref())?;
    match text(lookup, "HF_ENDPOINT") {
        Some(address) => options.endpoint(address.trim()),
        None => Ok(options),
    }
}

fn hf_home(lookup: Lookup<'_>) -> Option<PathBuf> {
    let caches = || {
        let own = path(lookup, "XDG_CACHE_HOME");
        own.or_else(|| Some(user_home(lookup)?.join(".cache")))
    };
    path(lookup, "HF_HOME").or_else(|| Some(caches()?.join("huggingface")))
}

fn user_home(lookup: Lookup<'_>) -> Option<PathBuf> {
    // Windows has no HOME outside of its Unix-like shells.
    let home = lookup("HOME")
        .filter(|home| !home.is_empty())
        .or_else(|| lookup("USERPROFILE"));
    home.filter(|home| !home.is_empty()).map(PathBuf::from)
}

fn token(lookup: Lookup<'_>, home: Option<&Path>) -> Option<String> {
    if text(lookup, "HF_HUB_DISABLE_IMPLICIT_TOKEN").is_some_and(|value| is_true(&value)) {
        return None;
    }
    text(lookup, "HF_TOKEN")
        .or_else(|| text(lookup, "HUGGING_FACE_HUB_TOKEN"))
        .or_else(|| {
            let file = path(lookup, "HF_TOKEN_PATH").or_else(|| Some(home?.join("token")))?;
            // Most users have no such file; a hub that needs a token says so.
            let mut token = String::new();
            File::open(file)
                .ok()?
                .take(LONGEST_TOKEN)
                .read_to_string(&mut token)
                .ok()?;
            Some(token)
        })
}

/// A variable as text, `None` if it is unset, blank or not Unicode.
fn text(lookup: Lookup<'_>, name: &str) -> Option<String> {
    let value = lookup(name)?.into_string().ok()?;
    (!value.trim().is_empty()).then_some(value)
}

/// A variable as a path, with a leading `~` put in words.
fn path(lookup: Lookup<'_>, name: &str) -> Option<PathBuf> {
    let value = PathBuf::from(lookup(name).filter(|value| !value.is_empty())?);
    match value.strip_prefix("~") {
        Ok(rest) => Some(user_home(lookup)?.join(rest)),
        Err(_) => Some(value),
    }
}

fn is_true(value: &str) -> bool {
    let value = value.trim();
    ["1", "true", "yes", "on"]
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, fs, path::Path};

    use super::{Error, HubOptions, read};

    fn with(variables: &[(&str, &str)]) -> Result<HubOptions, Error> {
        read(&|name| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    fn cache(variables: &[(&str, &str)]) -> String {
        let options = with(variables).expect("the environment is good");
        options
            .cache_folder()
            .display()
            .to_string()
            .replace('\\', "/")
    }

    #[test]
    fn the_cache_is_found_in_pythons_order() {
        let mut variables = vec![("HOME", "/home/u")];
        assert_eq!(cache(&variables), "/home/u/.cache/huggingface/hub");
        variables.push(("XDG_CACHE_HOME", "/xdg"));
        assert_eq!(cache(&variables), "/xdg/huggingface/hub");
        variables.push(("HF_HOME", "~/hf"));
        assert_eq!(cache(&variables), "/home/u/hf/hub");
        variables.push(("HUGGINGFACE_HUB_CACHE", "/old"));
        assert_eq!(cache(&variables), "/old");
        variables.push(("HF_HUB_CACHE", "/new"));
        assert_eq!(cache(&variables), "/new");
    }

    #[test]
    fn empty_variables_are_unset() {
        assert_eq!(
            cache(&[("HOME", "/h"), ("HF_HOME", "")]),
            "/h/.cache/huggingface/hub"
        );
        assert!(matches!(with(&[("HOME", "")]), Err(Error::NoCacheFolder)));
        assert!(
            with(&[("HF_HUB_CACHE", "/c")]).is_ok(),
            "no home is needed with a cache"
        );
    }

    #[test]
    fn offline_is_any_of_pythons_true_words() {
        let offline = |value| {
            with(&[("HOME", "/h"), ("HF_HUB_OFFLINE", value)])
                .expect("good")
                .is_offline()
        };
        assert!(["1", "true", "YES", "On"].into_iter().all(offline));
        assert!(!["0", "false", "no", "2", ""].into_iter().any(offline));
        let transformers = with(&[("HOME", "/h"), ("TRANSFORMERS_OFFLINE", "1")]);
        assert!(transformers.expect("good").is_offline());
    }

    #[test]
    fn the_token_is_found_in_pythons_order() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let home = folder
            .path()
            .to_str()
            .expect("temporary folders have plain names");
        let other = folder.path().join("other");
        let other = other.to_str().expect("temporary folders have plain names");
        let token = |variables: &[(&str, &str)]| {
            let options = with(variables).expect("the environment is good");
            options.token_text().map(str::to_owned)
        };
        let mut variables = vec![("HF_HOME", home)];
        assert_eq!(token(&variables), None, "there is no token file yet");
        fs::write(Path::new(home).join("token"), "hf_home\n").expect("writable");
        fs::write(other, "hf_other\n").expect("writable");
        assert_eq!(token(&variables).as_deref(), Some("hf_home"));
        variables.push(("HF_TOKEN_PATH", other));
        assert_eq!(token(&variables).as_deref(), Some("hf_other"));
        variables.push(("HF_TOKEN", "hf_env"));
        assert_eq!(token(&variables).as_deref(), Some("hf_env"));
        variables.push(("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"));
        assert_eq!(token(&variables), None);
    }

    #[test]
    fn mirrors_are_taken_and_nonsense_is_refused() {
        let mirror = with(&[("HOME", "/h"), ("HF_ENDPOINT", "https://hf-mirror.com/")]);
        assert_eq!(
            mirror.expect("good").endpoint_url(),
            "https://hf-mirror.com"
        );
        let nonsense = with(&[("HOME", "/h"), ("HF_ENDPOINT", "mirror")]);
        assert!(matches!(nonsense, Err(Error::Endpoint { .. })));
    }
}
