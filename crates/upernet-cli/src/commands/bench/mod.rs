//! `bench`: how long a model takes on this machine, stage by stage.
//!
//! `photo` is what is segmented, `stages` runs the network with a clock in hand, `spread` sums runs up,
//! `machine` says what ran it, `report` prints.

mod machine;
mod photo;
mod report;
mod spread;
mod stages;

use std::time::Instant;

use upernet::SegmenterOptions;

use self::{
    machine::Machine,
    photo::Photo,
    report::{Document, Measured},
    stages::Bench,
};
use crate::{
    cli::BenchArgs,
    console::Console,
    failure::Failure,
    model::{Chosen, load_segmenter},
    precision,
};

/// Of the network's input, if neither the caller nor the model's processor has one.
const USUAL_SIZE: [usize; 2] = [512, 512];

pub(crate) fn run(args: &BenchArgs, console: Console, started: Instant) -> Result<(), Failure> {
    let mut chosen = Chosen::open(&args.device.device)?;
    let photo = args.image.as_deref().map(Photo::read).transpose()?;
    let photo = photo.unwrap_or(Photo::MadeUp);
    let mut options = SegmenterOptions::default();
    options.precision = precision::choose(args.precision, &chosen.found, console);
    let loading = Instant::now();
    let segmenter = load_segmenter(Some(&args.model), &options, &chosen, console)?;
    let load_seconds = loading.elapsed().as_secs_f64();
    let load_peak_bytes = machine::peak_memory();

    let processor = segmenter.processor();
    let usual = if processor.do_resize {
        processor.size
    } else {
        USUAL_SIZE
    };
    let sizes = if args.sizes.is_empty() {
        vec![usual]
    } else {
        args.sizes.clone()
    };
    let bench = Bench::new(&segmenter, usize::from(args.batch));
    for &size in &sizes {
        bench.check(size)?;
    }

    let mut first_mask_seconds = None;
    let mut results = Vec::new();
    let passes = u64::from(args.warmup) + u64::from(args.runs);
    let bar = console.runs_bar(sizes.len() as u64 * passes);
    for size in sizes {
        let photo = photo.at(size);
        let mut runs = Vec::new();
        for pass in 0..passes {
            let run = bench.run(&photo, size)?;
            first_mask_seconds.get_or_insert_with(|| started.elapsed().as_secs_f64());
            if pass >= u64::from(args.warmup) {
                runs.push(run);
            }
            bar.inc(1);
        }
        results.push(Measured::new(size, args, &runs, machine::peak_memory()));
    }
    bar.finish_and_clear();
    chosen.announce(console);
    let document = Document {
        model: &args.model,
        device: &chosen.found.name,
        machine: Machine::here(),
        precision: precision::name(options.precision),
        version: env!("CARGO_PKG_VERSION"),
        load_seconds,
        load_peak_bytes,
        first_mask_seconds: first_mask_seconds.unwrap_or_default(),
        results,
    };
    document.print(args.json)
}
