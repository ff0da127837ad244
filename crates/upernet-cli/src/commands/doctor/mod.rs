//! `doctor`: does a device compute what it should?
//!
//! `checks` lists what is checked and runs one check in this process; `operations` and `networks` are
//! the checks; `host` holds the operations once more, in 64 bits and without burn; `child` runs a check
//! in a process of its own.

mod checks;
mod child;
mod host;
mod networks;
mod operations;
mod values;

use std::time::Duration;

use serde::Serialize;

use self::{
    checks::{Check, Measured},
    child::Outcome,
};
use crate::{
    cli::DoctorArgs,
    console::Console,
    failure::{Code, Failure},
    model::Chosen,
    output::{Align, Stdout, Table},
};

#[derive(Serialize)]
struct Document<'a> {
    device: &'a str,
    checks: Vec<Row>,
    ok: bool,
}

#[derive(Serialize)]
struct Row {
    check: &'static str,
    /// `ok`, `fail`, or what ended the check's process.
    result: String,
    #[serde(flatten)]
    measured: Option<Measured>,
    message: Option<String>,
}

pub(crate) fn run(args: &DoctorArgs, console: Console) -> Result<(), Failure> {
    let mut chosen = Chosen::open(&args.device.device)?;
    if let Some(name) = &args.only {
        let check = Check::named(name)?;
        let measured = check.run(&chosen.found)?;
        return Stdout::default().print_json(&measured);
    }
    chosen.announce(console);
    let checks = Check::all();
    let bar = console.images_bar(checks.len(), format!("checking {}", chosen.found.name));
    let limit = Duration::from_secs(args.timeout);
    let mut rows = Vec::new();
    for check in checks {
        let outcome = child::run(check.name(), &chosen.found.name, limit)?;
        rows.push(Row::new(check.name(), outcome));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let failed = rows.iter().filter(|row| row.result != "ok").count();
    let total = rows.len();
    if args.json {
        let document = Document {
            device: &chosen.found.name,
            checks: rows,
            ok: failed == 0,
        };
        Stdout::default().print_json(&document)?;
    } else {
        Stdout::default().print(&table(&rows))?;
    }
    if failed == 0 {
        return Ok(());
    }
    console.error(&format!(
        "{failed} of {total} checks failed on {}",
        chosen.found.name
    ));
    Err(Failure::Reported(Code::Failed))
}

impl Row {
    fn new(check: &'static str, outcome: Outcome) -> Self {
        let (result, measured, message) = match outcome {
            Outcome::Measured(measured) if measured.is_ok() => {
                ("ok".to_owned(), Some(measured), None)
            }
            Outcome::Measured(measured) => ("fail".to_owned(), Some(measured), None),
            Outcome::Failed(message) => ("fail".to_owned(), None, Some(message)),
            Outcome::Ended(how) => (how, None, None),
        };
        Self {
            check,
            result,
            measured,
            message,
        }
    }

    fn remark(&self) -> String {
        match (&self.measured, &self.message) {
            (Some(measured), _) => measured.compared_with.clone(),
            (None, Some(message)) => message.clone(),
            (None, None) => String::new(),
        }
    }
}

fn table(rows: &[Row]) -> String {
    let mut table = Table::new(&[
        ("check", Align::Left),
        ("forward", Align::Right),
        ("backward", Align::Right),
        ("result", Align::Left),
        ("compared with", Align::Left),
    ]);
    for row in rows {
        let number = |of: fn(&Measured) -> f64| match &row.measured {
            Some(measured) => format!("{:.1e}", of(measured)),
            None => "-".to_owned(),
        };
        table.row([
            row.check.to_owned(),
            number(|measured| measured.forward),
            number(|measured| measured.backward),
            row.result.clone(),
            row.remark(),
        ]);
    }
    format!("{table}Differences are the largest, relative to max(1, largest magnitude).\n")
}
