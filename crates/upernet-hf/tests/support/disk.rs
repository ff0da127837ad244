//! What the cache on disk must look like.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::{FakeHub, REPO};

/// `models--owner--name` in this cache.
pub(crate) fn repo_folder(cache: &Path) -> PathBuf {
    cache.join(format!("models--{}", REPO.replace('/', "--")))
}

/// The hub's tag: SHA-256 of a large file, git's object id of a small one.
pub(crate) fn tag_of(file: &str, content: &[u8]) -> String {
    if file.contains(".json") {
        git_blob(content)
    } else {
        digest(content)
    }
}

/// SHA-256, hexadecimal.
pub(crate) fn digest(content: &[u8]) -> String {
    hexadecimal(&Sha256::digest(content))
}

fn git_blob(content: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(format!("blob {}\0", content.len()));
    hash.update(content);
    hexadecimal(&hash.finalize())
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digits =
        |byte: &u8| [byte >> 4, byte & 15].map(|digit| b"0123456789abcdef"[usize::from(digit)]);
    bytes.iter().flat_map(digits).map(char::from).collect()
}

/// Names and contents of the blobs, unfinished ones too.
pub(crate) fn blobs(cache: &Path) -> BTreeMap<String, Vec<u8>> {
    let Ok(entries) = fs::read_dir(repo_folder(cache).join("blobs")) else {
        return BTreeMap::new();
    };
    let read = |entry: fs::DirEntry| {
        let name = entry
            .file_name()
            .into_string()
            .expect("tags are plain text");
        (name, fs::read(entry.path()).expect("blobs are readable"))
    };
    entries
        .map(|entry| read(entry.expect("the folder is readable")))
        .collect()
}

/// Asserts that each blob has the content that its name promises, and that each file of each
/// snapshot shows what the hub has under that name; gives the number of files shown.
pub(crate) fn assert_whole(cache: &Path, hub: &FakeHub) -> usize {
    for (tag, content) in blobs(cache) {
        if !tag.ends_with(".incomplete") {
            assert!(
                tag == digest(&content) || tag == git_blob(&content),
                "blob {tag} has another content than its name says"
            );
        }
    }
    let mut shown = 0;
    let snapshots = repo_folder(cache).join("snapshots");
    for (commit, files) in hub.state().commits.clone() {
        let Ok(entries) = fs::read_dir(snapshots.join(&commit)) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("the folder is readable").path();
            let name = path
                .file_name()
                .expect("entries have names")
                .to_string_lossy();
            let content = fs::read(&path).expect("a pointer must lead to a blob");
            assert_eq!(files.get(&*name), Some(&content), "{name} is not the hub's");
            shown += 1;
        }
    }
    shown
}
