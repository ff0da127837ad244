//! Measurements as tables and as JSON.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;

use super::{
    machine::Machine,
    spread::Spread,
    stages::{Run, STAGES},
};
use crate::{
    cli::BenchArgs,
    failure::Failure,
    output::{Align, Stdout, Table, one_line},
};

/// All that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    pub(super) model: &'a str,
    pub(super) device: &'a str,
    pub(super) machine: Machine,
    /// What products were computed in.
    pub(super) precision: &'static str,
    pub(super) version: &'static str,
    /// From the model's folder to a network that can run.
    pub(super) load_seconds: f64,
    pub(super) load_peak_bytes: Option<u64>,
    /// From the program's start to its first mask.
    pub(super) first_mask_seconds: f64,
    pub(super) results: Vec<Measured>,
}

/// What was measured at one size.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    /// `[height, width]`.
    size: [usize; 2],
    batch: u16,
    warmup: u32,
    runs: u32,
    /// Each stage, and `total` for whole runs.
    seconds: BTreeMap<&'static str, Spread>,
    /// Each run's stages, in the order of the runs.
    each: Vec<BTreeMap<&'static str, f64>>,
    images_per_second: f64,
    /// Of the process so far, the loading and the sizes before included.
    peak_bytes: Option<u64>,
}

impl Measured {
    /// Sums runs up, of which there must be one.
    pub(super) fn new(
        size: [usize; 2],
        args: &BenchArgs,
        runs: &[Run],
        peak_bytes: Option<u64>,
    ) -> Self {
        let stages = STAGES.into_iter().enumerate();
        let mut seconds: BTreeMap<_, _> = stages
            .map(|(stage, name)| (name, Spread::of(runs.iter().map(|run| run[stage]))))
            .collect();
        let total = Spread::of(runs.iter().map(|run| run.iter().sum()));
        seconds.insert("total", total);
        Self {
            size,
            batch: args.batch,
            warmup: args.warmup,
            runs: args.runs,
            seconds,
            each: runs
                .iter()
                .map(|run| STAGES.into_iter().zip(*run).collect())
                .collect(),
            images_per_second: f64::from(args.batch) / total.median,
            peak_bytes,
        }
    }

    fn table(&self) -> String {
        let [height, width] = self.size;
        let (batch, runs, warmup) = (self.batch, self.runs, self.warmup);
        let mut text = format!(
            "{height} x {width}, batch {batch}, {runs} runs after {warmup} for warming up\n"
        );
        let mut table = Table::new(&[
            ("stage", Align::Left),
            ("median, ms", Align::Right),
            ("min", Align::Right),
            ("max", Align::Right),
        ]);
        for name in STAGES.into_iter().chain(["total"]) {
            let Spread { median, min, max } = self.seconds[name];
            let numbers = [median, min, max].map(|seconds| format!("{:.2}", 1000.0 * seconds));
            table.row([name.to_owned()].into_iter().chain(numbers));
        }
        let _ = writeln!(
            text,
            "{table}{:.2} images/s, peak memory so far {}",
            self.images_per_second,
            memory(self.peak_bytes)
        );
        text
    }
}

impl Document<'_> {
    /// Writes it to stdout.
    pub(super) fn print(&self, json: bool) -> Result<(), Failure> {
        if json {
            return Stdout::default().print_json(self);
        }
        let mut text = self.heading();
        for measured in &self.results {
            let _ = write!(text, "\n{}", measured.table());
        }
        Stdout::default().print(&text)
    }

    fn heading(&self) -> String {
        let Machine {
            processor,
            features,
            threads,
            ..
        } = &self.machine;
        format!(
            "{} on {} in {}, upernet {}\n\
             {processor} ({}), {threads} threads\n\
             loaded in {:.3} s, first mask after {:.3} s, peak memory while loading {}\n",
            one_line(self.model),
            self.device,
            self.precision,
            self.version,
            features.join(", "),
            self.load_seconds,
            self.first_mask_seconds,
            memory(self.load_peak_bytes),
        )
    }
}

fn memory(bytes: Option<u64>) -> String {
    bytes.map_or_else(
        || "unknown".to_owned(),
        |bytes| format!("{} MiB", bytes >> 20),
    )
}
