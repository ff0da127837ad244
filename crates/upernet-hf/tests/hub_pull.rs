//! Good pulls from a fake hub: what is asked for, and what lies in the cache afterwards.
#![cfg(feature = "hub")]

mod support;

use std::fs;

use support::{
    COMMIT, FakeHub, Fault, REPO, assert_whole, blobs, digest, model, model_at, repo_folder,
    tag_of, weights,
};
use upernet_hf::hub::{Origin, Silent, pull};

const CONFIG: &[u8] = br#"{"model_type": "upernet"}"#;
const PREPROCESSOR: &[u8] = br#"{"do_resize": true}"#;
const NEXT_COMMIT: &str = "2222222222222222222222222222222222222222";

#[test]
fn a_fresh_pull_writes_pythons_layout() {
    let weights = weights(300_000);
    let hub = FakeHub::start(&[
        ("README.md", b"# Tiny"),
        ("config.json", CONFIG),
        ("model.safetensors", &weights),
        ("optimizer.pt", b"not for inference"),
        ("preprocessor_config.json", PREPROCESSOR),
        ("pytorch_model.bin", b"the same once more"),
    ]);
    let cache = tempfile::tempdir().expect("a temporary folder");
    let pulled = pull(&model(), &hub.options(&cache), &mut Silent).expect("the hub is well");

    let folder = repo_folder(cache.path());
    assert_eq!(pulled.folder, folder.join("snapshots").join(COMMIT));
    assert_eq!(
        (pulled.commit.as_str(), pulled.origin),
        (COMMIT, Origin::Downloaded)
    );
    assert_eq!(
        pulled.files,
        [
            "config.json",
            "preprocessor_config.json",
            "model.safetensors"
        ]
    );
    assert_eq!(
        fs::read_to_string(folder.join("refs/main")).expect("readable"),
        COMMIT
    );
    let tags = blobs(cache.path()).into_keys().collect::<Vec<_>>();
    let mut expected = vec![
        tag_of("config.json", CONFIG),
        tag_of("preprocessor_config.json", PREPROCESSOR),
        digest(&weights),
    ];
    expected.sort();
    assert_eq!(tags, expected);
    assert_eq!(assert_whole(cache.path(), &hub), 3);
    assert_eq!(
        hub.take_file_requests(),
        [
            "HEAD config.json",
            "GET config.json",
            "HEAD preprocessor_config.json",
            "GET preprocessor_config.json",
            "HEAD model.safetensors",
            "GET model.safetensors",
        ]
    );
    #[cfg(unix)]
    assert_eq!(
        fs::read_link(pulled.folder.join("model.safetensors")).expect("a link"),
        std::path::Path::new("../../blobs").join(digest(&weights))
    );
}

#[test]
fn a_second_pull_asks_for_no_file() {
    let hub = FakeHub::start(&[("config.json", CONFIG), ("model.safetensors", b"weights")]);
    let cache = tempfile::tempdir().expect("a temporary folder");
    let first = pull(&model(), &hub.options(&cache), &mut Silent).expect("the hub is well");
    hub.take_log();
    let second = pull(&model(), &hub.options(&cache), &mut Silent).expect("the hub is well");
    assert_eq!(second.origin, Origin::Cached);
    assert_eq!((second.folder, second.files), (first.folder, first.files));
    let log = hub.take_log();
    assert_eq!(
        log.len(),
        1,
        "only what main stands for may be asked: {log:?}"
    );
    assert!(
        log[0]
            .path
            .starts_with(&format!("/api/models/{REPO}/revision/main"))
    );
}

#[test]
fn a_complete_commit_needs_no_network() {
    let hub = FakeHub::start(&[("config.json", CONFIG), ("model.safetensors", b"weights")]);
    let cache = tempfile::tempdir().expect("a temporary folder");
    let first = pull(&model_at(COMMIT), &hub.options(&cache), &mut Silent).expect("well");
    assert_eq!(first.origin, Origin::Downloaded);
    assert!(
        !repo_folder(cache.path()).join("refs").exists(),
        "a commit needs no reference"
    );
    hub.take_log();
    let second = pull(&model_at(COMMIT), &hub.options(&cache), &mut Silent).expect("well");
    assert_eq!(second.origin, Origin::Cached);
    assert!(hub.take_log().is_empty());
}

#[test]
fn revisions_are_kept_apart_and_share_blobs() {
    let hub = FakeHub::start(&[
        ("config.json", CONFIG),
        ("model.safetensors", b"old weights"),
    ]);
    let cache = tempfile::tempdir().expect("a temporary folder");
    let old = pull(&model(), &hub.options(&cache), &mut Silent).expect("the hub is well");
    let files: [(&str, &[u8]); 2] = [("config.json", CONFIG), ("model.safetensors", b"new")];
    hub.commit(NEXT_COMMIT, "main", &files);
    hub.commit(
        COMMIT,
        "release/v1",
        &[
            ("config.json", CONFIG),
            ("model.safetensors", b"old weights"),
        ],
    );
    hub.take_log();

    let new = pull(&model(), &hub.options(&cache), &mut Silent).expect("the hub is well");
    assert_eq!(
        (new.commit.as_str(), new.origin),
        (NEXT_COMMIT, Origin::Downloaded)
    );
    // The configuration is the same blob, so its bytes do not travel again.
    assert_eq!(
        hub.take_file_requests(),
        [
            "HEAD config.json",
            "HEAD model.safetensors",
            "GET model.safetensors"
        ]
    );
    assert_eq!(blobs(cache.path()).len(), 3);

    let tagged = pull(&model_at("release/v1"), &hub.options(&cache), &mut Silent).expect("well");
    assert_eq!((tagged.folder, tagged.origin), (old.folder, Origin::Cached));
    let reference = repo_folder(cache.path()).join("refs/release/v1");
    assert_eq!(fs::read_to_string(reference).expect("readable"), COMMIT);
    assert_eq!(assert_whole(cache.path(), &hub), 4);
}

#[test]
fn shards_come_with_their_index_and_nothing_else() {
    let index = br#"{"metadata": {}, "weight_map": {
        "a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}"#;
    let hub = FakeHub::start(&[
        ("config.json", CONFIG),
        ("model.safetensors.index.json", index),
        ("model-00001-of-00002.safetensors", b"one"),
        ("model-00002-of-00002.safetensors", b"two"),
        ("model-00003-of-00002.safetensors", b"stray"),
        ("pytorch_model.bin", b"pickle"),
    ]);
    let cache = tempfile::tempdir().expect("a temporary folder");
    let pulled = pull(&model(), &hub.options(&cache), &mut Silent).expect("the hub is well");
    assert_eq!(
        pulled.files,
        [
            "config.json",
            "model.safetensors.index.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors"
        ]
    );
    assert_eq!(assert_whole(cache.path(), &hub), 4);
    let absent = repo_folder(cache.path()).join(".no_exist").join(COMMIT);
    assert!(
        absent.join("preprocessor_config.json").is_file(),
        "Python looks for this mark"
    );
}

#[test]
fn a_pickle_serves_where_there_is_nothing_better() {
    let hub = FakeHub::start(&[("config.json", CONFIG), ("pytorch_model.bin", b"pickle")]);
    let cache = tempfile::tempdir().expect("a temporary folder");
    let pulled = pull(&model(), &hub.options(&cache), &mut Silent).expect("the hub is well");
    assert_eq!(pulled.files, ["config.json", "pytorch_model.bin"]);
    assert_eq!(assert_whole(cache.path(), &hub), 2);
}

#[test]
fn the_token_stays_with_the_hub() {
    let weights = weights(50_000);
    let files: [(&str, &[u8]); 2] = [("config.json", CONFIG), ("model.safetensors", &weights)];
    let (hub, storage) = (FakeHub::start(&files), FakeHub::start(&files));
    hub.store_at(&storage);
    let cache = tempfile::tempdir().expect("a temporary folder");
    let options = hub
        .options(&cache)
        .token(Some("hf_secret"))
        .expect("a plain token");
    pull(&model(), &options, &mut Silent).expect("the hub is well");
    // Named by the tag before the redirect, not by the storage's own.
    assert!(blobs(cache.path()).contains_key(&digest(&weights)));

    let at_hub = hub.take_log();
    assert!(at_hub.len() >= 4);
    assert!(
        at_hub
            .iter()
            .all(|seen| seen.authorization.as_deref() == Some("Bearer hf_secret"))
    );
    let at_storage = storage.take_log();
    assert_eq!(at_storage.len(), 1, "one GET, no HEAD: {at_storage:?}");
    assert_eq!(at_storage[0].authorization, None);
}

#[test]
fn renamed_models_are_followed() {
    let hub = FakeHub::start(&[("config.json", CONFIG), ("model.safetensors", b"weights")]);
    let moved = |file: &str| Fault::Redirect(format!("/{REPO}/resolve/{COMMIT}/{file}"));
    hub.fail(
        "GET",
        "api",
        Fault::Redirect(format!("/api/models/{REPO}/revision/main")),
    );
    hub.fail("HEAD", "config.json", moved("config.json"));
    hub.fail("GET", "config.json", moved("config.json"));
    let cache = tempfile::tempdir().expect("a temporary folder");
    let options = hub
        .options(&cache)
        .token(Some("hf_secret"))
        .expect("a plain token");
    pull(&model(), &options, &mut Silent).expect("the hub is well");
    assert!(
        hub.take_log()
            .iter()
            .all(|seen| seen.authorization.is_some())
    );
    assert_eq!(assert_whole(cache.path(), &hub), 2);
}

#[test]
fn a_mirror_may_send_everything_elsewhere() {
    let files: [(&str, &[u8]); 2] = [("config.json", CONFIG), ("model.safetensors", b"weights")];
    let (hub, mirror) = (FakeHub::start(&files), FakeHub::start(&files));
    let to_hub = |path: &str| Fault::Redirect(format!("{}/{path}", hub.url()));
    mirror.fail(
        "GET",
        "api",
        to_hub(&format!("api/models/{REPO}/revision/main")),
    );
    for (file, _) in files {
        let place = format!("{REPO}/resolve/{COMMIT}/{file}");
        mirror.fail("HEAD", file, to_hub(&place));
        mirror.fail("GET", file, to_hub(&place));
    }
    let cache = tempfile::tempdir().expect("a temporary folder");
    let options = mirror
        .options(&cache)
        .token(Some("hf_secret"))
        .expect("a plain token");
    pull(&model(), &options, &mut Silent).expect("both are well");
    assert!(
        mirror
            .take_log()
            .iter()
            .all(|seen| seen.authorization.is_some())
    );
    let at_hub = hub.take_log();
    assert_eq!(at_hub.len(), 5);
    assert!(
        at_hub.iter().all(|seen| seen.authorization.is_none()),
        "{at_hub:?}"
    );
    assert_eq!(assert_whole(cache.path(), &mirror), 2);
}

#[test]
fn progress_grows_to_the_total_of_each_file() {
    let weights = weights(1_000_000);
    let hub = FakeHub::start(&[("config.json", CONFIG), ("model.safetensors", &weights)]);
    let cache = tempfile::tempdir().expect("a temporary folder");
    let mut steps = Vec::new();
    let mut bar = |file: &str, done, total| steps.push((file.to_owned(), done, total));
    pull(&model(), &hub.options(&cache), &mut bar).expect("the hub is well");
    for (file, length) in [
        ("config.json", CONFIG.len()),
        ("model.safetensors", weights.len()),
    ] {
        let own = steps
            .iter()
            .filter(|step| step.0 == file)
            .collect::<Vec<_>>();
        assert_eq!(own.first().map(|step| step.1), Some(0));
        assert_eq!(own.last().map(|step| step.1), Some(length as u64));
        assert!(own.iter().all(|step| step.2 == Some(length as u64)));
        assert!(own.windows(2).all(|pair| pair[0].1 <= pair[1].1));
    }
    assert!(
        steps.len() > 6,
        "large files report more than once: {}",
        steps.len()
    );
}

#[test]
fn mirrors_may_use_tags_of_their_own() {
    let hub = FakeHub::start(&[("config.json", CONFIG), ("model.safetensors", b"weights")]);
    let tag = || Fault::Header("ETag", "W/\"5f3-mirror\"".to_owned());
    hub.fail("HEAD", "config.json", tag());
    let cache = tempfile::tempdir().expect("a temporary folder");
    pull(&model(), &hub.options(&cache), &mut Silent).expect("the hub is well");
    let config = blobs(cache.path()).remove("5f3-mirror");
    assert_eq!(config.as_deref(), Some(CONFIG));
}

#[test]
fn two_pulls_at_once_download_each_file_once() {
    let weights = weights(400_000);
    let hub = FakeHub::start(&[("config.json", CONFIG), ("model.safetensors", &weights)]);
    let cache = tempfile::tempdir().expect("a temporary folder");
    let options = hub.options(&cache);
    std::thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| pull(&model(), &options, &mut Silent)));
        for one in both {
            one.join().expect("no panic").expect("the hub is well");
        }
    });
    let requests = hub.take_file_requests();
    let gets = requests
        .iter()
        .filter(|request| request.starts_with("GET"))
        .count();
    assert_eq!(gets, 2, "{requests:?}");
    assert_eq!(assert_whole(cache.path(), &hub), 2);
}
