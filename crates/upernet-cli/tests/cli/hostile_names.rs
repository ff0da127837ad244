//! Names out of files that a terminal would obey: people see them escaped, programs as they are.

use serde_json::{Value, json};

use crate::support::{Place, photo, run};

/// Clears the screen, sets the window's title, starts a line over, ends it, and turns the rest around.
fn hostile(id: usize) -> String {
    format!("\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m\rwall\n{id}\u{202e}")
}

/// How it is shown.
fn escaped(id: usize) -> String {
    format!("\\u{{1b}}[2J\\u{{1b}}]0;title\\u{{7}}\\u{{9b}}31m\\rwall\\n{id}\\u{{202e}}")
}

/// The tiny model with such names for its five classes.
fn model(place: &Place) -> String {
    place.model("tiny", |config| {
        let names = (0..5).map(|id| (id.to_string(), Value::from(hostile(id))));
        config["id2label"] = Value::Object(names.collect());
        config.as_object_mut().unwrap().remove("label2id");
    })
}

#[track_caller]
fn assert_harmless(stdout: &str) {
    let obeyed = |c: &char| (c.is_control() && *c != '\n') || *c == '\u{202e}';
    assert_eq!(stdout.chars().find(obeyed), None, "{stdout:?}");
}

#[test]
fn names_of_classes() {
    let place = Place::new();
    let model = model(&place);
    let info = run(["models", "info", &model]).succeeded().stdout;
    assert_harmless(&info);
    let names: Vec<String> = (0..5).map(escaped).collect();
    assert!(
        info.contains(&format!("5: {}\n", names.join(", "))),
        "{info}"
    );

    let args = ["segment", &photo(), "--model", &model, "--out"];
    let table = run(args.iter().copied().chain([&*place.arg("out")]));
    let table = table.succeeded().stdout;
    assert_harmless(&table);
    // The photo's line, the heading, a row for each class, and an empty line.
    let rows = table.lines().filter(|line| line.starts_with("\\u{1b}[2J"));
    assert_eq!(table.lines().count(), 3 + rows.count(), "{table}");

    let programs = run(args.iter().copied().chain([&*place.arg("json"), "--json"]));
    let class = &programs.succeeded().json()["images"][0]["classes"][0];
    let id = usize::try_from(class["id"].as_u64().unwrap()).unwrap();
    assert_eq!(class["name"], json!(hostile(id)));
}

#[cfg(unix)]
#[test]
fn names_of_photos() {
    let place = Place::new();
    let name = hostile(0) + ".jpg";
    let photo = place.photo(&name);
    let ended = run([
        "segment",
        &photo,
        "--model",
        &model(&place),
        "--out",
        &place.arg("out"),
    ]);
    let stdout = ended.succeeded().stdout;
    assert_harmless(&stdout);
    assert!(
        stdout
            .lines()
            .next()
            .unwrap()
            .contains(&(escaped(0) + ".jpg  "))
    );
}

#[test]
fn names_in_datasets() {
    let place = Place::new();
    let out = place.arg("scenes");
    run([
        "data",
        "synth",
        "--count",
        "4",
        "--size",
        "64x64",
        "--validation",
        "0.5",
        "--out",
        &out,
    ])
    .succeeded();
    let labels = place.path("scenes/id2label.json");
    let text = std::fs::read(&labels).unwrap();
    let mut names: serde_json::Map<String, Value> = serde_json::from_slice(&text).unwrap();
    for (id, name) in &mut names {
        *name = Value::from(hostile(id.parse().unwrap()));
    }
    std::fs::write(&labels, Value::Object(names).to_string()).unwrap();
    for verb in ["check", "stats"] {
        let stdout = run(["data", verb, &out]).succeeded().stdout;
        assert_harmless(&stdout);
        assert!(stdout.contains(&escaped(1)), "{stdout}");
        // A line of a name's own would start so.
        assert!(!stdout.contains("\n1"), "{stdout}");
    }
}
