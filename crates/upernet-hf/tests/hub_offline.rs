//! Pulls without a network: from this crate's cache and from Python's.
#![cfg(feature = "hub")]

mod support;

use std::{env, fs, path::Path, process::Command, time::Duration};

use support::{COMMIT, FakeHub, Fault, REPO, digest, model, model_at, repo_folder, tag_of};
use upernet_hf::hub::{Error, HubOptions, Origin, Silent, pull};

const CONFIG: &[u8] = br#"{"model_type": "upernet"}"#;
const INDEX: &[u8] =
    br#"{"weight_map": {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}}"#;

/// Writes a cache by hand as `huggingface_hub` does: content under its tag, links beside it.
#[cfg(unix)]
fn lay_out_as_python(cache: &Path, files: &[(&str, &[u8])]) {
    let repo = repo_folder(cache);
    let snapshot = repo.join("snapshots").join(COMMIT);
    for folder in [repo.join("blobs"), repo.join("refs"), snapshot.clone()] {
        fs::create_dir_all(folder).expect("writable");
    }
    fs::write(repo.join("refs/main"), COMMIT).expect("writable");
    for (name, content) in files {
        let tag = tag_of(name, content);
        fs::write(repo.join("blobs").join(&tag), content).expect("writable");
        let target = Path::new("../../blobs").join(tag);
        std::os::unix::fs::symlink(target, snapshot.join(name)).expect("a link");
    }
}

fn offline(cache: &tempfile::TempDir) -> HubOptions {
    // Port 9 takes no connection, so an attempt would be an error of another kind.
    let options = HubOptions::new(cache.path()).endpoint("http://127.0.0.1:9");
    options.expect("a good address").offline(true)
}

#[cfg(unix)]
#[test]
fn pythons_cache_is_used() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    lay_out_as_python(
        cache.path(),
        &[
            ("config.json", CONFIG),
            ("preprocessor_config.json", b"{}"),
            ("model.safetensors.index.json", INDEX),
            ("model-1-of-2.safetensors", b"one"),
            ("model-2-of-2.safetensors", b"two"),
        ],
    );
    for revision in ["main", COMMIT] {
        let pulled = pull(&model_at(revision), &offline(&cache), &mut Silent).expect("complete");
        assert_eq!(
            pulled.folder,
            repo_folder(cache.path()).join("snapshots").join(COMMIT)
        );
        assert_eq!(
            (pulled.commit.as_str(), pulled.origin),
            (COMMIT, Origin::Offline)
        );
        assert_eq!(pulled.files.len(), 5);
        assert_eq!(pulled.files[3], "model-1-of-2.safetensors");
    }
}

#[cfg(unix)]
#[test]
fn the_first_missing_file_is_named() {
    let all: [(&str, &[u8]); 4] = [
        ("config.json", CONFIG),
        ("model.safetensors.index.json", INDEX),
        ("model-1-of-2.safetensors", b"one"),
        ("model-2-of-2.safetensors", b"two"),
    ];
    for (kept, missing) in [
        (0, "config.json"),
        (1, "model.safetensors"),
        (2, "model-1-of-2.safetensors"),
        (3, "model-2-of-2.safetensors"),
    ] {
        let cache = tempfile::tempdir().expect("a temporary folder");
        lay_out_as_python(cache.path(), &all[..kept]);
        let error = pull(&model(), &offline(&cache), &mut Silent).expect_err("incomplete");
        assert!(error.is_not_found());
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("{missing} of {REPO} at revision main")),
            "{text}"
        );
        assert!(
            text.contains("HF_HUB_OFFLINE") && !text.contains('\n'),
            "{text}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_link_without_content_does_not_count() {
    let cache = tempfile::tempdir().expect("a temporary folder");
    let files: [(&str, &[u8]); 2] = [("config.json", CONFIG), ("model.safetensors", b"weights")];
    lay_out_as_python(cache.path(), &files);
    fs::remove_file(
        repo_folder(cache.path())
            .join("blobs")
            .join(digest(b"weights")),
    )
    .expect("there");
    let error = pull(&model(), &offline(&cache), &mut Silent).expect_err("incomplete");
    assert!(
        matches!(&error, Error::Offline { file, .. } if file == "model.safetensors"),
        "{error}"
    );
}

#[test]
fn offline_mode_sends_nothing() {
    let hub = FakeHub::start(&[("config.json", CONFIG), ("model.safetensors", b"weights")]);
    let cache = tempfile::tempdir().expect("a temporary folder");
    let options = hub.options(&cache);
    let refused = pull(&model(), &options.clone().offline(true), &mut Silent);
    assert!(matches!(refused, Err(Error::Offline { .. })));
    assert!(hub.take_log().is_empty());

    let online = pull(&model(), &options, &mut Silent).expect("the hub is well");
    hub.take_log();
    let offline = pull(&model(), &options.clone().offline(true), &mut Silent).expect("cached");
    assert_eq!(
        (offline.folder, offline.files),
        (online.folder, online.files)
    );
    assert_eq!(offline.origin, Origin::Offline);
    let other = pull(&model_at("v2"), &options.offline(true), &mut Silent);
    assert!(matches!(other, Err(Error::Offline { revision, .. }) if revision == "v2"));
    assert!(hub.take_log().is_empty());
}

#[test]
fn a_hub_out_of_reach_is_replaced_by_the_cache_and_that_is_said() {
    let hub = FakeHub::start(&[("config.json", CONFIG), ("model.safetensors", b"weights")]);
    let cache = tempfile::tempdir().expect("a temporary folder");
    let options = hub.options(&cache);
    pull(&model(), &options, &mut Silent).expect("the hub is well");

    hub.fail_always("GET", "api", &Fault::Status(503, ""));
    let pulled = pull(&model(), &options, &mut Silent).expect("cached");
    assert_eq!(pulled.origin, Origin::Unconfirmed);
    hub.heal();
    let sign_in = "<html>sign in to the guest network</html>";
    hub.fail_always("GET", "api", &Fault::Body(sign_in));
    let pulled = pull(&model(), &options, &mut Silent).expect("cached");
    assert_eq!(pulled.origin, Origin::Unconfirmed);
    hub.heal();
    hub.fail_always("GET", "api", &Fault::StallAfter(0));
    let hasty = Duration::from_millis(300);
    let hasty = options.clone().timeouts(hasty, hasty);
    let pulled = pull(&model(), &hasty, &mut Silent).expect("cached");
    assert_eq!(pulled.origin, Origin::Unconfirmed);
    drop(hub);
    let pulled = pull(&model(), &options, &mut Silent).expect("cached");
    assert_eq!(pulled.origin, Origin::Unconfirmed);

    let error = pull(&model_at("v2"), &options, &mut Silent).expect_err("not cached");
    assert!(matches!(error, Error::Network { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("refused") || text.contains("reset"), "{text}");
    assert!(
        text.contains("HF_ENDPOINT") && text.contains("HF_HUB_OFFLINE"),
        "{text}"
    );
    assert!(!text.contains('\n'), "{text}");
}

#[test]
fn a_refusal_is_not_hidden_by_the_cache() {
    let hub = FakeHub::start(&[("config.json", CONFIG), ("model.safetensors", b"weights")]);
    let cache = tempfile::tempdir().expect("a temporary folder");
    pull(&model(), &hub.options(&cache), &mut Silent).expect("the hub is well");
    hub.fail("GET", "api", Fault::Status(403, "GatedRepo"));
    let refused = pull(&model(), &hub.options(&cache), &mut Silent);
    assert!(matches!(
        refused,
        Err(Error::AccessDenied { status: 403, .. })
    ));
}

/// Name of the test that the others run in a process of its own, with an environment of its own.
const CHILD: &str = "child_process";
/// Set in that process: `env` to read the environment, else the address of the hub.
const CHILD_MODE: &str = "UPERNET_TEST_HUB";

#[test]
fn child_process() {
    let Some(mode) = env::var_os(CHILD_MODE) else {
        return;
    };
    let cache = tempfile::tempdir().expect("a temporary folder");
    let options = match mode.to_str() {
        Some("env") => HubOptions::from_env(),
        address => HubOptions::new(cache.path()).endpoint(address.expect("an address is text")),
    };
    let options = options.expect("good settings").retries(0, Duration::ZERO);
    pull(&model(), &options, &mut Silent).expect("the parent made it so");
}

fn run_child(variables: &[(&str, &str)]) -> bool {
    let program = env::current_exe().expect("a test knows its own program");
    let mut command = Command::new(program);
    command
        .args(["--exact", CHILD])
        .env_clear()
        .envs(variables.iter().copied());
    command
        .output()
        .expect("the program can run")
        .status
        .success()
}

#[test]
fn the_environment_is_obeyed() {
    let hub = FakeHub::start(&[("config.json", CONFIG), ("model.safetensors", b"weights")]);
    let home = tempfile::tempdir().expect("a temporary folder");
    let (url, home) = (hub.url(), home.path().to_str().expect("a plain name"));
    let mut variables = vec![
        (CHILD_MODE, "env"),
        ("HF_HOME", home),
        ("HF_ENDPOINT", url.as_str()),
        ("HF_TOKEN", "hf_env"),
    ];
    assert!(run_child(&variables));
    assert!(
        Path::new(home)
            .join("hub/models--lab--tiny-upernet/refs/main")
            .is_file()
    );
    let log = hub.take_log();
    assert!(
        log.iter()
            .all(|seen| seen.authorization.as_deref() == Some("Bearer hf_env"))
    );
    assert_eq!(log.len(), 5, "{log:?}");

    variables.push(("HF_HUB_OFFLINE", "1"));
    assert!(run_child(&variables), "the cache is complete");
    let empty = format!("{home}/empty");
    variables.push(("HF_HUB_CACHE", &empty));
    assert!(!run_child(&variables), "that cache is empty");
    assert!(hub.take_log().is_empty());
}

#[test]
fn a_token_in_the_environment_is_not_sent_unasked() {
    let hub = FakeHub::start(&[("config.json", CONFIG), ("model.safetensors", b"weights")]);
    let home = tempfile::tempdir().expect("a temporary folder");
    fs::write(home.path().join("token"), "hf_file").expect("writable");
    let (url, home) = (hub.url(), home.path().to_str().expect("a plain name"));
    assert!(run_child(&[
        (CHILD_MODE, &url),
        ("HF_TOKEN", "hf_env"),
        ("HF_HOME", home)
    ]));
    let log = hub.take_log();
    assert!(
        log.iter().all(|seen| seen.authorization.is_none()),
        "{log:?}"
    );
    assert_eq!(log.len(), 5, "{log:?}");
}
