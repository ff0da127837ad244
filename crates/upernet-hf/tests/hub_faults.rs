//! Every way in which a download can fail: one clear line, nothing broken in the cache, and a good
//! pull afterwards.
#![cfg(feature = "hub")]

mod support;

use std::{fs, time::Duration};

use support::{
    COMMIT, CONFIG, FakeHub, Fault, LENGTH, Scene, WEIGHTS, all, assert_whole, blobs, digest, from,
    model, model_at, repo_folder, weights,
};
use upernet_hf::hub::{Error, Origin, Silent, pull};

#[test]
fn what_does_not_exist_is_named() {
    let scene = Scene::new();
    scene
        .hub
        .fail("GET", "api", Fault::Status(404, "RepoNotFound"));
    assert!(matches!(scene.fails(), Error::RepoNotFound { .. }));
    // As the real hub answers without a token.
    scene
        .hub
        .fail("GET", "api", Fault::Status(401, "RepoNotFound"));
    let error = scene.fails();
    assert!(matches!(error, Error::RepoNotFound { .. }) && error.is_not_found());
    assert!(error.to_string().contains("HF_TOKEN"));

    let error = pull(&model_at("v9"), &scene.options(), &mut Silent).expect_err("no such tag");
    assert!(matches!(&error, Error::RevisionNotFound { revision, .. } if revision == "v9"));
    scene
        .hub
        .fail("HEAD", WEIGHTS, Fault::Status(404, "EntryNotFound"));
    let error = scene.fails();
    assert!(
        matches!(&error, Error::FileNotFound { file, .. } if file == WEIGHTS),
        "{error}"
    );
    scene.recovers();
}

#[test]
fn repositories_that_are_no_models_cost_no_download() {
    let scene = Scene::new();
    scene
        .hub
        .commit(COMMIT, "main", &[(WEIGHTS, &scene.weights)]);
    assert!(matches!(scene.fails(), Error::FileNotFound { file, .. } if file == "config.json"));
    scene.hub.commit(
        COMMIT,
        "main",
        &[("config.json", CONFIG), ("model.onnx", b"x")],
    );
    assert!(matches!(scene.fails(), Error::NoWeights { .. }));
    assert!(scene.hub.take_file_requests().is_empty());
}

#[test]
fn a_refusal_at_any_step_mentions_the_token() {
    for (method, file) in [("GET", "api"), ("HEAD", "config.json"), ("GET", WEIGHTS)] {
        for status in [401, 403] {
            let scene = Scene::new();
            scene
                .hub
                .fail(method, file, Fault::Status(status, "GatedRepo"));
            let error = scene.fails();
            assert!(
                matches!(error, Error::AccessDenied { status: found, .. } if found == status),
                "{method} {file} {status}: {error}"
            );
            assert!(error.to_string().contains("HF_TOKEN"), "{error}");
            scene.recovers();
        }
    }
}

#[test]
fn passing_failures_of_the_server_are_tried_again() {
    let scene = Scene::new();
    for (method, file) in [
        ("GET", "api"),
        ("HEAD", "config.json"),
        ("GET", "config.json"),
        ("GET", WEIGHTS),
    ] {
        scene.hub.fail(method, file, Fault::Status(500, ""));
        scene.hub.fail(method, file, Fault::Status(503, ""));
    }
    let pulled = pull(&model(), &scene.options(), &mut Silent).expect("each fault passes");
    assert_eq!(pulled.origin, Origin::Downloaded);
    assert_eq!(assert_whole(scene.cache.path(), &scene.hub), 2);
}

#[test]
fn lasting_failures_of_the_server_end_after_the_retries() {
    for (method, file) in [("GET", "api"), ("HEAD", "config.json"), ("GET", WEIGHTS)] {
        let scene = Scene::new();
        scene
            .hub
            .fail_always(method, file, &Fault::Status(503, "Maintenance"));
        let error = scene.fails();
        assert!(
            matches!(error, Error::Server { status: 503, .. }),
            "{error}"
        );
        assert!(error.to_string().contains("Maintenance it is"), "{error}");
        let log = scene.hub.take_log();
        let tried = log.iter().filter(|seen| seen.method == method);
        let tried = tried
            .filter(|seen| file == "api" || seen.path.ends_with(file))
            .count();
        assert!(
            (1..=5).contains(&tried),
            "{method} {file} was tried {tried} times"
        );
        scene.recovers();
    }
}

#[test]
fn a_cut_download_goes_on_where_it_stopped() {
    let scene = Scene::new();
    scene.hub.fail("GET", WEIGHTS, Fault::CutAfter(200_000));
    scene.hub.fail("GET", WEIGHTS, Fault::CutAfter(100_000));
    let mut highest = 0;
    let mut bar = |_: &str, done: u64, _: Option<u64>| {
        assert!(
            done >= highest || done == 0 || highest == CONFIG.len() as u64,
            "fell to {done}"
        );
        highest = done;
    };
    pull(&model(), &scene.options(), &mut bar).expect("the third part completes it");
    assert_eq!(scene.ranges(), [all(), from(200_000), from(300_000)]);
    assert_eq!(assert_whole(scene.cache.path(), &scene.hub), 2);
}

#[test]
fn the_next_pull_goes_on_where_the_last_one_gave_up() {
    let scene = Scene::new();
    scene.hub.fail("GET", WEIGHTS, Fault::CutAfter(100_000));
    scene.hub.fail_always("GET", WEIGHTS, &Fault::CutAfter(0));
    let error = scene.fails();
    assert!(
        matches!(error, Error::Interrupted { done: 100_000, .. }),
        "{error}"
    );
    assert_eq!(
        scene.left_over().as_deref(),
        Some(&scene.weights[..100_000])
    );
    assert_eq!(scene.ranges(), [all(), from(100_000), from(100_000)]);

    scene.hub.heal();
    let mut first = None;
    let mut bar = |_: &str, done: u64, _: Option<u64>| first = first.or(Some(done));
    pull(&model(), &scene.options(), &mut bar).expect("the hub is well again");
    assert_eq!(
        first,
        Some(100_000),
        "the caller learns what is there already"
    );
    assert_eq!(scene.ranges(), [from(100_000)]);
    assert_eq!(assert_whole(scene.cache.path(), &scene.hub), 2);
}

#[test]
fn a_silent_server_is_given_up() {
    let mut scene = Scene::new();
    scene.patience = Duration::from_millis(700);
    scene
        .hub
        .fail_always("GET", WEIGHTS, &Fault::StallAfter(50_000));
    let error = scene.fails();
    assert!(
        matches!(error, Error::Interrupted { done: 150_000, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("timed out"), "{error}");
    scene.recovers();
    assert_eq!(scene.ranges().last(), Some(&from(150_000)));
}

#[test]
fn servers_that_cannot_go_on_send_all_again() {
    let scene = Scene::new();
    scene.hub.fail("GET", WEIGHTS, Fault::CutAfter(100_000));
    scene.hub.fail("GET", WEIGHTS, Fault::WholeFile);
    pull(&model(), &scene.options(), &mut Silent).expect("the second answer is whole");
    assert_eq!(scene.ranges(), [all(), from(100_000)]);

    let scene = Scene::new();
    scene.hub.fail("GET", WEIGHTS, Fault::CutAfter(100_000));
    scene.hub.fail("GET", WEIGHTS, Fault::Status(416, ""));
    pull(&model(), &scene.options(), &mut Silent).expect("the third answer is whole");
    assert_eq!(scene.ranges(), [all(), from(100_000), all()]);
    assert_eq!(assert_whole(scene.cache.path(), &scene.hub), 2);
}

#[test]
fn a_wrong_length_keeps_nothing() {
    for length in [0, 1000, LENGTH - 1, LENGTH + 1] {
        let scene = Scene::new();
        scene.hub.fail("GET", WEIGHTS, Fault::Length(length));
        let error = scene.fails();
        assert!(
            matches!(error, Error::WrongSize { expected, found, .. }
                if (expected, found) == (LENGTH as u64, length as u64)),
            "{error}"
        );
        assert_eq!(scene.left_over(), None);
        scene.recovers();
    }
}

#[test]
fn answers_without_a_length_are_measured() {
    let scene = Scene::new();
    let unmeasured = |length| Fault::Unmeasured(length);
    scene.hub.fail("GET", WEIGHTS, unmeasured(Some(LENGTH + 1)));
    assert!(matches!(scene.fails(), Error::WrongSize { .. }));
    // Too short looks like a cut, so the rest is asked for.
    scene.hub.take_log();
    scene.hub.fail("GET", WEIGHTS, unmeasured(Some(100_000)));
    scene.recovers_without_healing();
    assert_eq!(scene.ranges(), [all(), from(100_000)]);

    // Where the hub states no length at all, the hash alone decides.
    let scene = Scene::new();
    for method in ["HEAD", "GET"] {
        scene.hub.fail(method, WEIGHTS, unmeasured(None));
    }
    scene.recovers_without_healing();

    // A small file without end is cut off.
    let scene = Scene::new();
    scene.hub.fail("HEAD", "config.json", unmeasured(None));
    scene
        .hub
        .fail("GET", "config.json", unmeasured(Some(20 << 20)));
    let error = scene.fails();
    assert!(
        matches!(error, Error::TooLarge { limit, .. } if limit == 16 << 20),
        "{error}"
    );
    assert!(blobs(scene.cache.path()).is_empty());
}

#[test]
fn a_download_that_gets_on_is_not_given_up() {
    let weights = weights(6 << 20);
    let hub = FakeHub::start(&[("config.json", CONFIG), (WEIGHTS, &weights)]);
    let cache = tempfile::tempdir().expect("a temporary folder");
    // More cuts than there are retries, each after more than a mebibyte.
    for _ in 0..5 {
        hub.fail("GET", WEIGHTS, Fault::CutAfter(1_100_000));
    }
    pull(&model(), &hub.options(&cache), &mut Silent).expect("there is progress each time");
    assert_eq!(assert_whole(cache.path(), &hub), 2);
}

#[test]
fn a_wrong_hash_keeps_nothing() {
    for (file, length) in [("config.json", 40), (WEIGHTS, 64)] {
        let scene = Scene::new();
        scene.hub.fail("GET", file, Fault::Corrupt);
        let error = scene.fails();
        assert!(
            matches!(&error, Error::WrongHash { expected, found, .. }
                if expected.len() == length && found.len() == length && expected != found),
            "{error}"
        );
        assert_eq!(scene.left_over(), None);
        scene.recovers();
    }
}

#[test]
fn a_bad_left_over_is_thrown_away() {
    let scene = Scene::new();
    scene.hub.fail("GET", WEIGHTS, Fault::CutAfter(100_000));
    scene.hub.fail_always("GET", WEIGHTS, &Fault::CutAfter(0));
    scene.fails();
    scene.hub.take_log();
    let name = format!("{}.incomplete", digest(&scene.weights));
    let path = repo_folder(scene.cache.path()).join("blobs").join(name);
    for (left_over, asked) in [
        // Wrong bytes: seen at the end, so the whole file is asked for afterwards.
        (vec![7; 100_000], vec![from(100_000), all()]),
        // Wrong bytes of the full length: nothing to ask for before they are seen.
        (vec![7; LENGTH], vec![all()]),
        // More than the file has.
        (vec![7; LENGTH + 1], vec![all()]),
        // All of it: the process died just before it gave the file its name.
        (scene.weights.clone(), vec![]),
    ] {
        let _ = fs::remove_dir_all(repo_folder(scene.cache.path()).join("snapshots"));
        let _ = fs::remove_file(path.with_extension(""));
        fs::write(&path, left_over).expect("writable");
        scene.recovers();
        assert_eq!(scene.ranges(), asked);
    }
}

#[test]
fn a_server_that_always_lies_is_given_up() {
    let scene = Scene::new();
    scene.hub.fail("GET", WEIGHTS, Fault::CutAfter(100_000));
    scene.hub.fail_always("GET", WEIGHTS, &Fault::Corrupt);
    assert!(matches!(scene.fails(), Error::WrongHash { .. }));
    assert_eq!(scene.ranges(), [all(), from(100_000), all()]);
    scene.recovers();
}

#[test]
fn storage_that_refuses_leaves_nothing() {
    let scene = Scene::new();
    let storage = FakeHub::start(&[("config.json", CONFIG), (WEIGHTS, &scene.weights)]);
    scene.hub.store_at(&storage);
    storage.fail("GET", WEIGHTS, Fault::Status(403, "Expired"));
    assert!(matches!(
        scene.fails(),
        Error::AccessDenied { status: 403, .. }
    ));
    storage.fail("GET", WEIGHTS, Fault::Length(LENGTH - 1));
    assert!(matches!(scene.fails(), Error::WrongSize { .. }));
    storage.fail("GET", WEIGHTS, Fault::Corrupt);
    assert!(matches!(scene.fails(), Error::WrongHash { .. }));
    scene.recovers();
}
