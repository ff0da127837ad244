//! Checks a file against the hash that the hub names it by.
//!
//! The hub's entity tag is the SHA-256 of a large file's content and the git object id of a small
//! one: the SHA-1 of `blob <length>\0` and the content
//! (<https://git-scm.com/book/en/v2/Git-Internals-Git-Objects>). hf-hub 1.0.0 uses the tag as a file
//! name only and never checks it.

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A running hash of the kind that the tag asks for.
#[derive(Debug, Clone)]
pub(super) struct Checksum {
    expected: String,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    Sha256(Sha256),
    GitBlob(Sha1),
    /// A mirror's own tag, of which nothing is known.
    Unknown,
}

impl Checksum {
    /// Starts a hash for a file with this tag and this length in bytes.
    pub(super) fn new(tag: &str, size: Option<u64>) -> Self {
        let hexadecimal = tag.bytes().all(|b| b.is_ascii_hexdigit());
        let state = match (hexadecimal, tag.len(), size) {
            (true, 64, _) => State::Sha256(Sha256::new()),
            (true, 40, Some(size)) => {
                State::GitBlob(Sha1::new_with_prefix(format!("blob {size}\0")))
            }
            _ => State::Unknown,
        };
        Self {
            expected: tag.to_ascii_lowercase(),
            state,
        }
    }

    /// Takes in the next bytes of the file.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Sha256(hash) => hash.update(bytes),
            State::GitBlob(hash) => hash.update(bytes),
            State::Unknown => {}
        }
    }

    /// Compares; gives the expected and the found hash if they differ.
    pub(super) fn check(self) -> Result<(), (String, String)> {
        let found = match self.state {
            State::Sha256(hash) => hexadecimal(&hash.finalize()),
            State::GitBlob(hash) => hexadecimal(&hash.finalize()),
            State::Unknown => return Ok(()),
        };
        if found == self.expected {
            Ok(())
        } else {
            Err((self.expected, found))
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::Checksum;

    // printf 'hello\n' | sha256sum
    const SHA256: &str = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
    // printf 'hello\n' | git hash-object --stdin
    const GIT: &str = "ce013625030ba8dba906f756967f9e9ca394464a";

    fn check(tag: &str, size: Option<u64>, content: &str) -> Result<(), (String, String)> {
        let mut checksum = Checksum::new(tag, size);
        for byte in content.as_bytes() {
            checksum.update(std::slice::from_ref(byte));
        }
        checksum.check()
    }

    #[test]
    fn both_kinds_of_tag_are_checked() {
        assert_eq!(check(SHA256, None, "hello\n"), Ok(()));
        assert_eq!(check(GIT, Some(6), "hello\n"), Ok(()));
        let (expected, found) = check(SHA256, Some(6), "hellO\n").expect_err("one letter differs");
        assert_eq!((expected.as_str(), found.len()), (SHA256, 64));
        assert!(check(GIT, Some(6), "hellO\n").is_err());
        assert!(check(GIT, Some(7), "hello\n").is_err());
    }

    #[test]
    fn foreign_tags_promise_nothing() {
        assert_eq!(
            check("5d41402abc4b2a76b9719d911017c592", Some(6), "anything"),
            Ok(())
        );
        assert_eq!(check(GIT, None, "a git id needs the length"), Ok(()));
    }
}
