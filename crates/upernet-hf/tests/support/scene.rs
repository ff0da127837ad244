//! A fake hub, what it has, and a cache to pull it into.

use std::{fs, time::Duration};

use upernet_hf::hub::{Error, HubOptions, Origin, Silent, pull};

use super::{FakeHub, assert_whole, blobs, digest, model, repo_folder, weights};

pub(crate) const CONFIG: &[u8] = br#"{"model_type": "upernet"}"#;
pub(crate) const WEIGHTS: &str = "model.safetensors";
/// Long enough for several reads.
pub(crate) const LENGTH: usize = 500_000;

/// A hub, its weights, and an empty cache.
pub(crate) struct Scene {
    pub(crate) hub: FakeHub,
    pub(crate) weights: Vec<u8>,
    pub(crate) cache: tempfile::TempDir,
    /// Folder around the cache, with nothing else in it.
    pub(crate) outer: tempfile::TempDir,
    pub(crate) patience: Duration,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let outer = tempfile::tempdir().expect("a temporary folder");
        let weights = weights(LENGTH);
        let hub = FakeHub::start(&[("config.json", CONFIG), (WEIGHTS, &weights)]);
        Self {
            hub,
            weights,
            cache: tempfile::tempdir_in(&outer).expect("a temporary folder"),
            outer,
            patience: Duration::from_secs(10),
        }
    }

    pub(crate) fn options(&self) -> HubOptions {
        self.hub
            .options(&self.cache)
            .timeouts(self.patience, self.patience)
    }

    /// Pulls, expects a failure in one line, and that the cache shows nothing but good files.
    pub(crate) fn fails(&self) -> Error {
        let error = pull(&model(), &self.options(), &mut Silent).expect_err("the hub is broken");
        let text = error.to_string();
        assert!(!text.contains('\n') && text.len() < 600, "{text}");
        assert_whole(self.cache.path(), &self.hub);
        let reference = repo_folder(self.cache.path()).join("refs/main");
        assert!(!reference.exists(), "main must not stand for half a model");
        error
    }

    /// Pulls from the healed hub and expects the whole model.
    pub(crate) fn recovers(&self) {
        self.hub.heal();
        self.recovers_without_healing();
    }

    /// Pulls and expects the whole model in spite of what may go wrong on the way.
    pub(crate) fn recovers_without_healing(&self) {
        let pulled = pull(&model(), &self.options(), &mut Silent).expect("the hub is well again");
        assert_eq!(pulled.origin, Origin::Downloaded);
        assert_eq!(assert_whole(self.cache.path(), &self.hub), 2);
        assert_eq!(
            fs::read(pulled.folder.join(WEIGHTS)).expect("readable"),
            self.weights
        );
        assert!(
            blobs(self.cache.path())
                .keys()
                .all(|tag| !tag.ends_with(".incomplete"))
        );
    }

    /// What the broken download of the weights left behind.
    pub(crate) fn left_over(&self) -> Option<Vec<u8>> {
        blobs(self.cache.path()).remove(&format!("{}.incomplete", digest(&self.weights)))
    }

    /// The parts of the weights that were asked for since the log was last taken.
    pub(crate) fn ranges(&self) -> Vec<String> {
        let log = self.hub.take_log().into_iter();
        let gets = log.filter(|seen| seen.method == "GET" && seen.path.ends_with(WEIGHTS));
        gets.map(|seen| seen.range.unwrap_or_else(all)).collect()
    }
}

/// A request without a range.
pub(crate) fn all() -> String {
    "all".to_owned()
}

/// A request for everything from an offset on.
pub(crate) fn from(offset: usize) -> String {
    format!("bytes={offset}-")
}
