//! `devices`: every backend, whether this build has it, and what it finds.

use serde::Serialize;
use upernet::device::{self, BACKENDS};

use crate::{
    cli::DevicesArgs,
    failure::Failure,
    output::{Align, Stdout, Table},
};

#[derive(Serialize)]
struct Document {
    backends: Vec<Backend>,
}

#[derive(Serialize)]
struct Backend {
    #[serde(rename = "backend")]
    name: &'static str,
    compiled: bool,
    devices: Vec<String>,
    /// What the driver said if it failed.
    message: Option<String>,
}

pub(crate) fn run(args: &DevicesArgs) -> Result<(), Failure> {
    let compiled = device::compiled();
    let backends = BACKENDS.map(|backend| Backend::ask(backend, compiled.contains(&backend)));
    if args.json {
        return Stdout::default().print_json(&Document {
            backends: backends.into(),
        });
    }
    let mut table = Table::new(&[
        ("backend", Align::Left),
        ("in this build", Align::Left),
        ("devices", Align::Left),
    ]);
    for backend in &backends {
        let compiled = if backend.compiled { "yes" } else { "no" };
        table.row([
            backend.name.to_owned(),
            compiled.to_owned(),
            backend.remark(),
        ]);
    }
    Stdout::default().print(&table.to_string())
}

impl Backend {
    fn ask(backend: &'static str, compiled: bool) -> Self {
        let found = device::enumerate(backend);
        let message = found.as_ref().err().cloned();
        let devices = found
            .unwrap_or_default()
            .into_iter()
            .map(|found| found.name)
            .collect();
        Self {
            name: backend,
            compiled,
            devices,
            message,
        }
    }

    fn remark(&self) -> String {
        match (&self.message, self.devices.as_slice()) {
            (Some(message), _) => format!("none: {message}"),
            (None, []) if self.compiled => "none".to_owned(),
            (None, []) => format!("build with --features {}", self.name),
            (None, devices) => devices.join(", "),
        }
    }
}
