//! `segment` on photos that are all right.

use std::{collections::HashSet, fs};

use upernet::pixels::{DecodeLimits, read_image};

use crate::support::{
    Place, floats, mask, names, photo, png_samples, pytorchs_mask, read_tensors, run, tiny,
};

#[test]
fn a_photo_gives_pytorchs_mask_an_overlay_and_a_table() {
    let place = Place::new();
    let ended = run([
        "segment",
        &photo(),
        "--model",
        &tiny(),
        "--out",
        &place.arg("a/b"),
    ]);
    let ended = ended.succeeded();
    assert_eq!(
        names(&place.path("a/b")),
        ["photo.png", "photo_overlay.png"]
    );
    let written = mask(&place.path("a/b/photo.png"));
    assert_eq!(written, pytorchs_mask());
    assert!(
        ended.stdout.contains("class     pixels     area"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("Building    8508  44.31 %"),
        "{}",
        ended.stdout
    );
    assert!(ended.stderr.starts_with("device: "), "{}", ended.stderr);
}

#[test]
fn json_says_all_there_is_to_know() {
    let place = Place::new();
    let (photo, model, out) = (photo(), tiny(), place.arg("out"));
    let ended = run(["segment", &photo, "-m", &model, "-o", &out, "--json", "-q"]).succeeded();
    assert_eq!(ended.stderr, "");
    let json = ended.json();
    assert_eq!(json["model"], tiny());
    assert_eq!(json["failed"].as_array().unwrap().len(), 0);
    let image = &json["images"][0];
    assert_eq!(image["input"], photo);
    assert_eq!(image["mask"], place.arg("out/photo.png"));
    assert_eq!(image["overlay"], place.arg("out/photo_overlay.png"));
    assert_eq!(image["size"], serde_json::json!([120, 160]));
    let largest = serde_json::json!(
        {"id": 4, "name": "Building", "pixels": 8508, "fraction": 0.443_125}
    );
    assert_eq!(image["classes"][0], largest);
    let pixels = image["classes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["pixels"].as_u64().unwrap());
    assert_eq!(pixels.sum::<u64>(), 120 * 160);
    for step in ["decode", "preprocess", "forward", "postprocess", "write"] {
        assert!(image["seconds"][step].as_f64().unwrap() > 0.0, "{step}");
    }
}

#[test]
fn saved_logits_agree_with_the_mask() {
    let place = Place::new();
    let (photo, model, out) = (photo(), tiny(), place.arg("out"));
    run([
        "segment", &photo, "-m", &model, "-o", &out, "--save", "logits",
    ])
    .succeeded();
    let tensors = read_tensors(&place.path("out/photo.safetensors"));
    let (dtype, shape, bytes) = &tensors["logits"];
    assert_eq!(
        (*dtype, shape.as_slice()),
        (safetensors::Dtype::F32, &[5, 120, 160][..])
    );
    let logits = floats(bytes);
    let written = mask(&place.path("out/photo.png"));
    for (pixel, &class) in written.iter().enumerate() {
        let logit = |class: usize| logits[class * 120 * 160 + pixel];
        assert!(
            (0..5).all(|other| logit(other) <= logit(class.into())),
            "pixel {pixel}"
        );
    }
}

#[test]
fn opacity_goes_from_the_photo_to_the_colours() {
    let place = Place::new();
    let overlay = |opacity: &str| {
        let (photo, model, out) = (photo(), tiny(), place.arg(opacity));
        let args = ["segment", &photo, "-m", &model, "-o", &out];
        run(args.into_iter().chain(["--opacity", opacity])).succeeded();
        png_samples(&place.path(opacity).join("photo_overlay.png")).1
    };
    let decoded = read_image(photo(), &DecodeLimits::default()).unwrap();
    assert_eq!(overlay("0"), decoded.into_raw());
    let painted = overlay("1");
    let colors: HashSet<&[u8]> = painted.chunks(3).collect();
    assert_eq!(colors.len(), 5, "one colour for each class");
}

#[test]
fn folders_and_patterns_are_searched() {
    let place = Place::new();
    for name in ["in/a.jpg", "in/b.JPEG", "in/inner/c.jpg", "more/d.photo"] {
        place.photo(name);
    }
    place.file("in/notes.txt", b"no photo");
    let (folder, pattern) = (place.arg("in"), place.arg("more/*.photo"));
    let args = [
        "segment",
        &folder,
        &pattern,
        "-m",
        &tiny(),
        "-o",
        &place.arg("out"),
        "--json",
    ];
    let stems = |json: serde_json::Value| {
        let images = json["images"].as_array().unwrap().clone();
        images
            .iter()
            .map(|i| i["input"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let [a, b, c, d] =
        ["in/a.jpg", "in/b.JPEG", "in/inner/c.jpg", "more/d.photo"].map(|name| place.arg(name));
    assert_eq!(
        stems(run(args).succeeded().json()),
        [a.clone(), b.clone(), d.clone()]
    );
    let all = args.into_iter().chain(["--recursive", "--force"]);
    assert_eq!(stems(run(all).succeeded().json()), [a, b, c, d]);
}

#[test]
fn results_that_are_there_stay_unless_told_otherwise() {
    let place = Place::new();
    let (a, b) = (place.photo("a.jpg"), place.photo("b.jpg"));
    let old = place.path("out/a.png");
    place.file("out/a.png", b"mine");
    let (model, out) = (tiny(), place.arg("out"));
    let args = ["segment", &a, &b, "-m", &model, "-o", &out];
    run(args).refused(1, "a.png: already exists");
    assert_eq!(names(&place.path("out")), ["a.png"]);

    // Only what is not there is written, and a photo whose files are all there is not even read.
    let ended = run(args.into_iter().chain(["--skip-existing", "--json"])).succeeded();
    assert_eq!(ended.json()["images"].as_array().unwrap().len(), 2);
    assert_eq!(fs::read(&old).unwrap(), b"mine");
    assert_eq!(names(&place.path("out")).len(), 4);
    let ended = run(args.into_iter().chain(["--skip-existing", "--json"])).succeeded();
    assert_eq!(ended.json()["images"].as_array().unwrap().len(), 0);
    assert_eq!(ended.stderr, "2 photos are done already\n");

    run(args.into_iter().chain(["--force"])).succeeded();
    assert_eq!(mask(&old), pytorchs_mask());
    let both = args.into_iter().chain(["--force", "--skip-existing"]);
    assert_eq!(run(both).code, Some(2));
}

#[test]
fn two_photos_for_one_file_are_refused() {
    let place = Place::new();
    let (a, b, c) = (
        place.photo("x/a.jpg"),
        place.photo("y/a.png"),
        place.photo("a_overlay.jpg"),
    );
    let (model, out) = (tiny(), place.arg("out"));
    for (first, second) in [(&a, &b), (&a, &c), (&c, &a), (&a, &a)] {
        let ended = run(["segment", first, second, "-m", &model, "-o", &out]);
        assert!(ended.stderr.contains(first.as_str()) && ended.stderr.contains(second.as_str()));
        ended.refused(2, "would both be written to");
    }
    assert!(!place.path("out").exists());
}

#[test]
fn a_photo_is_never_replaced_by_its_mask() {
    let place = Place::new();
    let photo = place.photo("in/a.png");
    let before = fs::read(&photo).unwrap();
    let out = place.arg("in/../in");
    let ended = run(["segment", &photo, "-m", &tiny(), "-o", &out, "--force"]);
    ended.refused(2, "a result would replace this photo");
    assert_eq!(fs::read(&photo).unwrap(), before);
}

#[test]
fn one_bad_photo_does_not_stop_the_others() {
    let place = Place::new();
    let good = [place.photo("a.jpg"), place.photo("d.jpg")];
    let bad = [
        place.file("b.jpg", b""),
        place.file("c.jpg", b"not a photo"),
    ];
    let (model, out) = (tiny(), place.arg("out"));
    let args = [
        "segment", &good[0], &bad[0], &bad[1], &good[1], "-m", &model, "-o", &out,
    ];
    let ended = run(args.into_iter().chain(["--json", "-q"]));
    assert_eq!(ended.code, Some(4), "all failures are bad data");
    assert_eq!(ended.stderr.lines().count(), 2, "{}", ended.stderr);
    let json = ended.json();
    assert_eq!(json["images"].as_array().unwrap().len(), 2);
    let failed = json["failed"].as_array().unwrap();
    assert_eq!(failed[0]["input"], bad[0]);
    assert_eq!(failed[1]["input"], bad[1]);
    assert!(
        failed[0]["error"]
            .as_str()
            .unwrap()
            .contains("b.jpg: is empty")
    );

    let missing = place.arg("missing.jpg");
    let args = ["segment", &bad[0], &missing, "-m", &model, "-o", &out, "-q"];
    assert_eq!(
        run(args).code,
        Some(1),
        "bad data and not found have no code in common"
    );
}
