//! Photos and folders for results that cannot be used: one line, the right code, nothing written.

use std::fs;

use crate::support::{Place, photo, run, tiny};

/// Segments one photo and expects a refusal that writes nothing.
#[track_caller]
fn refused(place: &Place, input: &str, code: i32, needle: &str) {
    let out = place.arg("out");
    run(["segment", input, "--model", &tiny(), "--out", &out]).refused(code, needle);
    assert!(
        !place.path("out").exists(),
        "the folder for results was made"
    );
}

#[test]
fn a_missing_photo_is_not_found() {
    let place = Place::new();
    refused(
        &place,
        "no/such/photo.jpg",
        3,
        "no/such/photo.jpg: no such file",
    );
    refused(&place, "no/such/*.jpg", 3, "no file matches");
    fs::create_dir(place.path("empty")).unwrap();
    refused(&place, &place.arg("empty"), 3, "holds no photos");
}

#[test]
fn damaged_photos_are_bad_data() {
    let place = Place::new();
    let whole = fs::read(photo()).unwrap();
    for length in [3, 200, whole.len() / 2, whole.len() - 100] {
        let cut = place.file("cut.jpg", &whole[..length]);
        refused(&place, &cut, 4, "cut.jpg: ");
    }
    let empty = place.file("empty.jpg", b"");
    refused(&place, &empty, 4, "empty.jpg: is empty (0 bytes)");
    let words = place.file("words.jpg", b"These are words, not pixels.");
    refused(&place, &words, 4, "words.jpg: is not a JPEG");
}

#[test]
fn a_header_that_promises_too_many_pixels_is_refused_before_they_are_allocated() {
    let place = Place::new();
    let mut header = Vec::new();
    let mut writer = png::Encoder::new(&mut header, 100_000, 100_000)
        .write_header()
        .unwrap();
    writer
        .write_chunk(png::chunk::IDAT, &[0x78, 0x9c, 0x03, 0x00])
        .unwrap();
    drop(writer);
    let huge = place.file("huge.png", &header);
    refused(&place, &huge, 4, "huge.png: 100000 x 100000 pixels");
    let header_alone = place.file("alone.png", &header[..33]);
    refused(&place, &header_alone, 4, "alone.png: ");
}

/// Opening the pipe would wait for somebody to write into it, reading the device would not end.
#[cfg(unix)]
#[test]
fn pipes_and_devices_are_no_photos() {
    let place = Place::new();
    let made = std::process::Command::new("mkfifo")
        .arg(place.path("pipe.png"))
        .status();
    assert!(made.unwrap().success());
    std::os::unix::fs::symlink("/dev/zero", place.path("link.png")).unwrap();
    for name in ["pipe.png", "link.png"] {
        let line = format!("{name}: is a pipe, a device or the like; give the path of a file");
        refused(&place, &place.arg(name), 4, &line);
    }
}

#[test]
fn a_name_that_holds_a_line_break_stays_on_its_line() {
    let place = Place::new();
    let name = place.file("two\nlines.jpg", b"");
    refused(&place, &name, 4, "two\\nlines.jpg: is empty");
}

#[test]
fn a_place_where_no_folder_can_be_is_refused_first() {
    let place = Place::new();
    let file = place.file("file", b"");
    for out in [file.clone(), format!("{file}/below")] {
        let ended = run([
            "segment",
            &photo(),
            "--model",
            "no/such/model",
            "--out",
            &out,
        ]);
        ended.refused(1, "file: is not a folder");
    }
    assert_eq!(fs::read(place.path("file")).unwrap(), b"");
}

/// A limit on the size of files stands for a full disk: a write in the middle of a file fails.
#[cfg(unix)]
#[test]
fn a_disk_that_is_full_leaves_nothing() {
    use std::process::Command;

    use crate::support::{Ended, names};

    let place = Place::new();
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\"";
    let out = place.arg("out");
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_upernet")]);
    command.args(["segment", &photo(), "--model", &tiny(), "--out", &out]);
    Ended::from(command.output().unwrap()).refused(1, "cannot be written: ");
    assert_eq!(names(&place.path("")), Vec::<String>::new());
}
