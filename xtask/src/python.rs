//! Python 3.11 with the packages that the scripts use, about 6 GB.

use crate::{
    Failure,
    shell::{command, root},
};

/// The virtual environment's interpreter.
const PYTHON: &str = ".venv/bin/python";

/// Returns an interpreter that has the pinned versions, installing them if need be.
pub(crate) fn environment() -> Result<&'static str, Failure> {
    if !root().join(PYTHON).exists() {
        command("python3", &["-m", "venv", ".venv"]).run()?;
    }
    let packages = ["-m", "pip", "install", "-r", "scripts/requirements.txt"];
    command(PYTHON, &packages).run()?;
    Ok(PYTHON)
}
