//! The rules of ARCHITECTURE.md that a program can check; `cargo test` checks them too.

mod layers;
mod readme;
mod sources;

use crate::{Failure, shell::root};

/// Bytes that the golden folders of the repository may have together.
const GOLDEN_BYTES: u64 = 10_000_000;

/// Checks every rule and lists what breaks one.
pub(crate) fn run() -> Result<(), Failure> {
    let root = root();
    let metadata = layers::metadata(&root)?;
    let mut findings = layers::check(&metadata);
    findings.extend(readme::check(&root, &metadata)?);
    findings.extend(sources::check(&root)?);
    let bytes = sources::bytes_below(&root.join("testdata/goldens"))?;
    if bytes > GOLDEN_BYTES {
        findings.push(format!(
            "testdata/goldens has {bytes} bytes, allowed are {GOLDEN_BYTES}"
        ));
    }
    if findings.is_empty() {
        Ok(())
    } else {
        Err(findings.join("\n"))
    }
}
