//! What can go wrong between a model id and a folder on disk.

use std::{error::Error as StdError, io, path::PathBuf, time::Duration};

/// A failed look-up or download; every message is one line and says what to do.
///
/// No message, and no `Debug` output, carries the token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is no model id.
    #[error("{found:?} is not a model id: {reason}; write OWNER/NAME or OWNER/NAME@REVISION")]
    ModelId {
        /// The text as given.
        found: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// Neither the environment nor the caller says where the cache lies.
    #[error("no place for the hub cache: set HF_HUB_CACHE, HF_HOME or HOME to a folder")]
    NoCacheFolder,
    /// The hub's address is no web address.
    #[error("hub address {found:?} is not http:// or https:// with a host: correct HF_ENDPOINT")]
    Endpoint {
        /// The address as given.
        found: String,
    },
    /// The token cannot travel in an HTTP header.
    #[error("the hub token has characters that no HTTP header can carry: set HF_TOKEN anew")]
    Token,
    /// The hub has no such model, or does not admit to it.
    #[error(
        "no model {repo} at {endpoint}, or it is private: check the name; set HF_TOKEN if it needs \
         a login"
    )]
    RepoNotFound {
        /// `owner/name`.
        repo: String,
        /// Address of the hub asked.
        endpoint: String,
    },
    /// The model has no such branch, tag or commit.
    #[error("model {repo} has no revision {revision}: give a branch, a tag or a full commit hash")]
    RevisionNotFound {
        /// `owner/name`.
        repo: String,
        /// The revision asked for.
        revision: String,
    },
    /// The model lacks a file that a model folder must have.
    #[error("model {repo} has no file {file} at commit {commit}: choose another model or revision")]
    FileNotFound {
        /// `owner/name`.
        repo: String,
        /// Commit looked at.
        commit: String,
        /// Name of the file.
        file: String,
    },
    /// The model has weights in no format that this crate reads.
    #[error(
        "model {repo} has neither model.safetensors nor pytorch_model.bin, whole or sharded, at \
         commit {commit}: choose another model or revision"
    )]
    NoWeights {
        /// `owner/name`.
        repo: String,
        /// Commit looked at.
        commit: String,
    },
    /// The hub refuses to give the model to this caller.
    #[error(
        "{endpoint} refuses {repo} (status {status}): set HF_TOKEN to a token that may read it and, \
         if the model is gated, accept its terms on its page"
    )]
    AccessDenied {
        /// `owner/name`.
        repo: String,
        /// Address of the hub asked.
        endpoint: String,
        /// HTTP status, 401 or 403.
        status: u16,
    },
    /// The file is not in the cache, and the network is not to be used.
    #[error(
        "{file} of {repo} at revision {revision} is not in the cache {} and offline mode is on: \
         unset HF_HUB_OFFLINE, or pull the model once with a connection",
        cache.display()
    )]
    Offline {
        /// `owner/name`.
        repo: String,
        /// Revision asked for.
        revision: String,
        /// First file that is missing.
        file: String,
        /// The cache searched.
        cache: PathBuf,
    },
    /// The hub cannot be reached.
    #[error(
        "cannot reach {endpoint}: {reason}; check the connection, set HF_ENDPOINT to a mirror, or \
         use cached models alone with HF_HUB_OFFLINE=1"
    )]
    Network {
        /// Address of the hub asked.
        endpoint: String,
        /// The innermost cause, in words.
        reason: String,
        /// The failure as the HTTP library saw it.
        source: Box<dyn StdError + Send + Sync>,
    },
    /// The hub answers with a failure of its own.
    #[error("{endpoint} answered status {status} for {what}: {message}; try again later")]
    Server {
        /// Address of the hub asked.
        endpoint: String,
        /// HTTP status.
        status: u16,
        /// What was asked for.
        what: String,
        /// What the server said about it, on one line.
        message: String,
    },
    /// The hub's answer does not follow its own protocol.
    #[error(
        "{endpoint} gave an answer about {what} that is not the hub's: {reason}; check HF_ENDPOINT"
    )]
    Protocol {
        /// Address of the hub asked.
        endpoint: String,
        /// What was asked for.
        what: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The connection broke, again and again, before the file was whole.
    #[error(
        "download of {file} broke off after {done} bytes: {reason}; pull again to go on from there"
    )]
    Interrupted {
        /// Name of the file.
        file: String,
        /// Bytes on disk, in full.
        done: u64,
        /// The innermost cause, in words.
        reason: String,
    },
    /// The file that arrives is not as long as the hub said.
    #[error("{file} has {found} bytes where the hub promised {expected}: nothing kept; pull again")]
    WrongSize {
        /// Name of the file.
        file: String,
        /// Length that the hub stated, bytes.
        expected: u64,
        /// Length that the server sends, bytes.
        found: u64,
    },
    /// The file that arrived is not the one that the hub described.
    #[error("{file} has hash {found} where the hub promised {expected}: nothing kept; pull again")]
    WrongHash {
        /// Name of the file.
        file: String,
        /// Hash that the hub stated, hexadecimal.
        expected: String,
        /// Hash of what arrived, hexadecimal.
        found: String,
    },
    /// A file that must be small is not.
    #[error("{file} has {size} bytes, more than the {limit} allowed: it is no model's {file}")]
    TooLarge {
        /// Name of the file.
        file: String,
        /// Length that the hub stated, bytes.
        size: u64,
        /// Greatest length accepted, bytes.
        limit: u64,
    },
    /// The list of weight shards cannot be used.
    #[error("{}: {reason}; remove it and pull again, or choose another model", path.display())]
    Index {
        /// The index file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process holds the file and does not get on with it.
    #[error(
        "another download held {} for {} s without progress: end it, then pull again",
        path.display(), waited.as_secs()
    )]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Time without progress.
        waited: Duration,
    },
    /// The cache cannot be read or written.
    #[error(
        "cannot use the hub cache at {}: {source}; free some space, or point HF_HUB_CACHE at \
         another folder",
        path.display()
    )]
    Cache {
        /// The file or folder concerned.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// Whether the model, its revision or one of its files does not exist, on the hub or, in
    /// offline mode, in the cache.
    ///
    /// ```
    /// use upernet_hf::hub::Error;
    ///
    /// let missing = Error::RevisionNotFound { repo: "a/b".into(), revision: "v2".into() };
    /// assert!(missing.is_not_found());
    /// assert!(!Error::NoCacheFolder.is_not_found());
    /// ```
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(
            self,
            Self::RepoNotFound { .. }
                | Self::RevisionNotFound { .. }
                | Self::FileNotFound { .. }
                | Self::NoWeights { .. }
                | Self::Offline { .. }
        )
    }

    /// Whether the same request may well succeed a moment later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Network { .. } | Self::Interrupted { .. } => true,
            Self::Server { status, .. } => matches!(status, 408 | 429 | 500 | 502..=504),
            _ => false,
        }
    }

    /// Makes a cache error out of a failed file operation.
    pub(super) fn cache(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Cache { path, source }
    }
}

/// The last cause in a chain: "Connection refused" instead of "error sending request".
pub(super) fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    one_line(&cause.to_string())
}

/// Text of a server, cut to a length and to characters that a terminal shows as they are.
pub(super) fn one_line(text: &str) -> String {
    const LONGEST: usize = 200;
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable
        .take(LONGEST)
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Error, innermost, one_line};

    #[test]
    fn server_text_becomes_one_bounded_line() {
        assert_eq!(one_line("a\r\nb\u{1b}[31m"), "a  b [31m");
        assert_eq!(one_line(&"x".repeat(10_000)).len(), 200);
    }

    #[test]
    fn the_innermost_cause_is_named() {
        let inner = std::io::Error::other("disk on fire");
        let outer = Error::Cache {
            path: "blob".into(),
            source: inner,
        };
        assert_eq!(innermost(&outer), "disk on fire");
    }

    #[test]
    fn only_passing_faults_are_retried() {
        let server = |status| Error::Server {
            endpoint: "http://hub".into(),
            status,
            what: "config.json".into(),
            message: String::new(),
        };
        assert!(server(503).is_transient() && server(429).is_transient());
        assert!(!server(501).is_transient() && !server(404).is_transient());
        assert!(!Error::NoCacheFolder.is_transient());
    }
}
