//! Makes the fixtures of `testdata` anew; needs Python 3.11 and about 6 GB for its packages.

use crate::{Failure, python, shell::command};

/// The makers, each with its arguments.
const MAKERS: [&[&str]; 7] = [
    &["scripts/make_goldens.py", "--trimmed", "testdata/goldens"],
    &[
        "scripts/loss_references.py",
        "testdata/losses/references.json",
    ],
    &["scripts/make_backbone_fixtures.py", "testdata/backbones"],
    &["scripts/make_onnx_fixture.py", "testdata/onnx"],
    &["scripts/make_image_fixtures.py", "testdata/image"],
    &["scripts/make_tiny_checkpoint.py", "testdata/tiny"],
    &["scripts/make_weight_fixtures.py", "testdata/weights"],
];

/// Runs every maker in a virtual environment of the pinned versions and shows what git sees.
pub(crate) fn run() -> Result<(), Failure> {
    let interpreter = python::environment()?;
    for maker in MAKERS {
        command(interpreter, maker).run()?;
    }
    command("git", &["diff", "--stat", "--", "testdata"]).run()
}
