//! The chores as programs; that this builds the program also spares CI a build of its own.

use std::{
    path::Path,
    process::{Command, Output},
};

fn xtask(arguments: &[&str]) -> Output {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let output = command.args(arguments).current_dir(top).output();
    output.expect("the program was just built")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_repository_is_tidy() {
    let output = xtask(&["tidy"]);
    assert!(output.status.success(), "\n{}", stderr(&output));
}

#[test]
fn masks_are_compared_by_class_id() {
    let mask = "testdata/tiny/photo_mask.png";
    assert!(xtask(&["same-mask", mask, mask]).status.success());
    let output = xtask(&["same-mask", "testdata/image/mask_grey_8.png", mask]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("pixels instead of"), "{output:?}");
}

#[test]
fn what_is_not_understood_is_a_wrong_call() {
    assert_eq!(xtask(&["tidy", "now"]).status.code(), Some(2));
}
