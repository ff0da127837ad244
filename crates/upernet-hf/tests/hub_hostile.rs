//! Hubs that mean harm and disks that are full: nothing outside the cache is touched, nothing broken
//! stays in it.
#![cfg(feature = "hub")]

mod support;

use std::fs;
#[cfg(target_os = "linux")]
use std::{env, process::Command};

use support::{COMMIT, CONFIG, Fault, Scene, WEIGHTS, assert_whole, from, model};
use upernet_hf::hub::{Error, HubOptions, Silent, pull};

#[test]
fn hostile_answers_touch_nothing_outside_the_cache() {
    let header = |name, value: &str| Fault::Header(name, value.to_owned());
    for (method, file, fault) in [
        (
            "HEAD",
            "config.json",
            header("ETag", "\"../../../escaped\""),
        ),
        ("HEAD", "config.json", header("ETag", "")),
        (
            "HEAD",
            "config.json",
            header("X-Repo-Commit", "../../../escaped"),
        ),
        (
            "GET",
            "api",
            Fault::Body("<html>sign in to the guest network</html>"),
        ),
        ("GET", "api", Fault::Body(r#"{"id": "lab/tiny-upernet"}"#)),
        (
            "GET",
            "api",
            Fault::Body(r#"{"id": "a/b", "sha": "../../escaped", "siblings": []}"#),
        ),
        (
            "GET",
            WEIGHTS,
            Fault::Redirect("ftp://127.0.0.1/x".to_owned()),
        ),
    ] {
        let scene = Scene::new();
        scene.hub.fail(method, file, fault.clone());
        let error = scene.fails();
        let foreign = matches!(error, Error::Protocol { .. } | Error::Server { .. });
        assert!(foreign, "{fault:?}: {error}");
        let beside = fs::read_dir(scene.outer.path()).expect("readable").count();
        assert_eq!(beside, 1, "something lies beside the cache");
        scene.recovers();
    }
}

#[test]
fn redirects_in_circles_end() {
    let scene = Scene::new();
    let here = format!("{}/circle", scene.hub.url());
    scene
        .hub
        .fail("GET", WEIGHTS, Fault::Redirect(here.clone()));
    scene
        .hub
        .fail_always("GET", "circle", &Fault::Redirect(here));
    assert!(matches!(scene.fails(), Error::Protocol { .. }));
    assert!(scene.hub.take_log().len() < 20);
    scene.recovers();
}

#[test]
fn small_files_must_be_small() {
    let scene = Scene::new();
    let length = Fault::Header("Content-Length", (1_u64 << 40).to_string());
    scene.hub.fail("HEAD", "config.json", length);
    let error = scene.fails();
    assert!(
        matches!(error, Error::TooLarge { size, .. } if size == 1 << 40),
        "{error}"
    );
    scene.recovers();
}

#[test]
fn an_index_with_a_path_in_it_is_refused() {
    let scene = Scene::new();
    let index = br#"{"weight_map": {"a": "../../../../etc/passwd"}}"#;
    scene.hub.commit(
        COMMIT,
        "main",
        &[
            ("config.json", CONFIG),
            ("model.safetensors.index.json", index),
        ],
    );
    let error = scene.fails();
    assert!(matches!(error, Error::Index { .. }), "{error}");
    let requests = scene.hub.take_file_requests();
    assert!(
        !requests.iter().any(|request| request.contains("passwd")),
        "{requests:?}"
    );
}

#[test]
fn an_unwritable_cache_is_named() {
    let scene = Scene::new();
    let file = scene.cache.path().join("a-file");
    fs::write(&file, "not a folder").expect("writable");
    let options = scene.options().cache(file.join("hub"));
    let error = pull(&model(), &options, &mut Silent).expect_err("a file is no folder");
    let text = error.to_string();
    assert!(matches!(error, Error::Cache { .. }), "{text}");
    assert!(
        text.contains("a-file") && text.contains("HF_HUB_CACHE"),
        "{text}"
    );
}

/// Set in the process that `a_disk_that_fills_up` starts: address of the hub and its cache.
#[cfg(target_os = "linux")]
const CHILD_HUB: &str = "UPERNET_TEST_HUB";
#[cfg(target_os = "linux")]
const CHILD_CACHE: &str = "UPERNET_TEST_CACHE";

#[cfg(target_os = "linux")]
#[test]
fn child_process() {
    let (Ok(hub), Some(cache)) = (env::var(CHILD_HUB), env::var_os(CHILD_CACHE)) else {
        return;
    };
    let options = HubOptions::new(cache)
        .endpoint(&hub)
        .expect("a good address");
    let error = pull(&model(), &options, &mut Silent).expect_err("files may not grow so long");
    let text = error.to_string();
    assert!(
        matches!(error, Error::Cache { .. }) && text.contains("free some space"),
        "{text}"
    );
    assert!(text.contains("File too large"), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_fills_up_leaves_a_good_part() {
    let scene = Scene::new();
    let program = env::current_exe().expect("a test knows its own program");
    // A bound on the length of files stands in for a full disk: both make a write fail midway.
    let child = Command::new("sh")
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 200; exec \"$0\" --exact child_process",
        ])
        .arg(program)
        .env(CHILD_HUB, scene.hub.url())
        .env(CHILD_CACHE, scene.cache.path())
        .output()
        .expect("there is a shell");
    assert!(
        child.status.success(),
        "{}",
        String::from_utf8_lossy(&child.stdout)
    );
    assert_eq!(
        assert_whole(scene.cache.path(), &scene.hub),
        1,
        "config.json is short enough"
    );
    let part = scene.left_over().expect("what fitted is kept");
    assert!(!part.is_empty() && scene.weights.starts_with(&part));
    scene.ranges();
    scene.recovers();
    assert_eq!(scene.ranges(), [from(part.len())]);
}
