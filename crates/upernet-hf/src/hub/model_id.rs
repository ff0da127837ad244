//! Names of models on the hub: `owner/name`, with `@revision` where it is not `main`.
//!
//! The rules are those of `huggingface_hub.utils.validate_repo_id`, narrowed: the owner is
//! required, and a revision has only characters that are safe in a path and in a URL, because it
//! becomes part of both.

use std::{fmt, str::FromStr};

use super::Error;

/// Longest owner or name, as the hub limits them.
const LONGEST_PART: usize = 96;
/// Longest revision; git itself has no limit, file systems stop at 255.
const LONGEST_REVISION: usize = 200;
/// Revision that the hub takes when none is given.
const DEFAULT_REVISION: &str = "main";

/// Which model, at which revision.
///
/// ```
/// use upernet_hf::hub::ModelId;
///
/// let model = ModelId::parse("openmmlab/upernet-swin-tiny@v1.0")?;
/// assert_eq!((model.owner(), model.name()), ("openmmlab", "upernet-swin-tiny"));
/// assert_eq!(model.revision(), "v1.0");
/// assert_eq!(ModelId::parse("openmmlab/upernet-swin-tiny")?.revision(), "main");
/// assert!(ModelId::parse("../etc/passwd").is_err());
/// # Ok::<(), upernet_hf::hub::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelId {
    owner: String,
    name: String,
    revision: String,
}

impl ModelId {
    /// Reads `owner/name` or `owner/name@revision`.
    ///
    /// # Errors
    ///
    /// [`Error::ModelId`] with the broken rule: owner and name are 1 to 96 of `A-Z a-z 0-9 - _ .`,
    /// begin and end with a letter, digit or `_`, hold neither `--` nor `..`, and the name does not
    /// end in `.git`; a revision is a branch, tag (`refs/pr/1` too) or commit hash.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let refuse = |reason| Error::ModelId {
            found: text.to_owned(),
            reason,
        };
        let (repo, revision) = text.split_once('@').unwrap_or((text, DEFAULT_REVISION));
        let (owner, name) = repo
            .split_once('/')
            .ok_or_else(|| refuse("there is no slash between owner and name"))?;
        check_part(owner).map_err(refuse)?;
        check_part(name).map_err(refuse)?;
        if name.strip_suffix(".git").is_some() {
            return Err(refuse("the name ends in .git"));
        }
        check_revision(revision).map_err(refuse)?;
        Ok(Self {
            owner: owner.to_owned(),
            name: name.to_owned(),
            revision: revision.to_owned(),
        })
    }

    /// Whether the text could be a model id; a relative path such as `models/tiny` could too, so
    /// ask the file system first.
    ///
    /// ```
    /// use upernet_hf::hub::ModelId;
    ///
    /// assert!(ModelId::looks_like("openmmlab/upernet-swin-tiny"));
    /// assert!(!ModelId::looks_like("./upernet-swin-tiny"));
    /// assert!(!ModelId::looks_like("/srv/models/tiny"));
    /// ```
    #[must_use]
    pub fn looks_like(text: &str) -> bool {
        Self::parse(text).is_ok()
    }

    /// User or organisation, such as `openmmlab`.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Name under the owner, such as `upernet-swin-tiny`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Branch, tag or commit; `main` where none was given.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// `owner/name`.
    #[must_use]
    pub fn repo(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// The revision, where it is a full commit hash and so can never mean anything else.
    pub(super) fn pinned_commit(&self) -> Option<&str> {
        is_commit(&self.revision).then_some(self.revision.as_str())
    }
}

impl FromStr for ModelId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.owner, self.name)?;
        if self.revision != DEFAULT_REVISION {
            write!(formatter, "@{}", self.revision)?;
        }
        Ok(())
    }
}

/// Whether the text is a full git commit hash in the hub's spelling.
pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn check_part(part: &str) -> Result<(), &'static str> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let bytes = part.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else {
        return Err("owner or name is empty");
    };
    if bytes.len() > LONGEST_PART {
        return Err("owner or name is longer than 96 characters");
    }
    if !bytes.iter().all(|&b| word(b) || matches!(b, b'-' | b'.')) {
        return Err("owner or name has a character other than letters, digits, '-', '_' and '.'");
    }
    if !word(first) || !word(last) {
        return Err("owner or name begins or ends with '-' or '.'");
    }
    if part.contains("--") || part.contains("..") {
        return Err("owner or name holds '--' or '..'");
    }
    Ok(())
}

fn check_revision(revision: &str) -> Result<(), &'static str> {
    let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+' | b'/');
    if revision.is_empty() || revision.len() > LONGEST_REVISION {
        return Err("the revision is empty or longer than 200 characters");
    }
    if !revision.bytes().all(known) {
        return Err("the revision has a character other than letters, digits and '._-+/'");
    }
    let hidden =
        |part: &str| part.is_empty() || part.starts_with(['.', '-']) || part.ends_with('.');
    if revision.split('/').any(hidden) || revision.contains("..") {
        return Err("a part of the revision is empty, starts with '.' or '-', or ends with '.'");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::{Component, Path};

    use proptest::prelude::*;

    use super::{ModelId, is_commit};

    #[test]
    fn ids_of_the_hub_are_read() {
        for text in [
            "openmmlab/upernet-swin-tiny",
            "o/n",
            "_o_/n_1.b-2",
            "o/n@refs/pr/3",
            "o/n@0123456789abcdef0123456789abcdef01234567",
        ] {
            let model = ModelId::parse(text).expect("a valid id");
            assert_eq!(model.to_string(), text);
        }
        assert_eq!(
            ModelId::parse("o/n@main").expect("valid").to_string(),
            "o/n"
        );
    }

    #[test]
    fn paths_and_path_tricks_are_refused() {
        for text in [
            "",
            "/",
            "name",
            "/owner/name",
            "owner/",
            "/name",
            "a/b/c",
            "../name",
            "owner/..",
            "./name",
            "owner/.hidden",
            "owner/a..b",
            "owner/a--b",
            "owner/name.git",
            "owner/na me",
            "owner/na\\me",
            "owner/na%2fme",
            "owner/n\u{e4}me",
            "owner/name\n",
            "C:/models",
            "owner/name@",
            "owner/name@../../x",
            "owner/name@a//b",
            "owner/name@/a",
            "owner/name@-rf",
            "owner/name@a@b",
            "owner/name@a?b",
        ] {
            assert!(ModelId::parse(text).is_err(), "{text:?} must be refused");
        }
        assert!(ModelId::parse(&format!("o/{}", "n".repeat(96))).is_ok());
        assert!(ModelId::parse(&format!("o/{}", "n".repeat(97))).is_err());
        assert!(ModelId::parse(&format!("o/n@{}", "r".repeat(201))).is_err());
    }

    #[test]
    fn the_message_is_one_line_and_says_how_to_write_it() {
        let error = ModelId::parse("bad\nid").expect_err("no slash").to_string();
        assert_eq!(
            error,
            "\"bad\\nid\" is not a model id: there is no slash between owner and name; write \
             OWNER/NAME or OWNER/NAME@REVISION"
        );
    }

    #[test]
    fn only_full_lower_case_hashes_are_commits() {
        assert!(is_commit(&"a1".repeat(20)));
        assert!(!is_commit(&"A1".repeat(20)) && !is_commit("a1") && !is_commit(&"g1".repeat(20)));
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_safe_in_a_path(
            text in "[a-z.@/_\\\\-]{0,3}/[a-zA-Z0-9.@/_\\\\:%-]{0,12}(@[a-z./-]{0,8})?",
        ) {
            if let Ok(model) = ModelId::parse(&text) {
                let path = format!("{}/{}/{}", model.owner(), model.name(), model.revision());
                let plain = |part| matches!(part, Component::Normal(_));
                prop_assert!(Path::new(&path).components().all(plain));
                prop_assert!(!path.contains('\\') && !path.contains("//"));
                prop_assert_eq!(ModelId::parse(&model.to_string()).expect("its own spelling"), model);
            }
        }
    }
}
