//! `segment`: photos in, masks out.
//!
//! In order: what to read (`inputs`), what to write and whether it may be written (`plan`), then
//! device and model, then photo by photo: decode it while the one before is in the network
//! (`decode`), run the network, write the files of a photo together (`write`), report (`report`).
//! Nothing is written before all checks have passed.

mod decode;
mod inputs;
mod plan;
mod report;
mod write;

use std::{fmt::Write as _, path::PathBuf, time::Instant};

use indicatif::ProgressBar;
use upernet::{
    ErrorKind, Inference, InputSize, Prediction, Segmentation, Segmenter, SegmenterOptions,
    pixels::{self, image::RgbImage},
};

use self::{
    decode::Decoded,
    plan::{Plan, Work},
    report::{Report, Seconds, Segmented},
    write::OutFolder,
};
use crate::{
    cli::SegmentArgs,
    console::Console,
    failure::{Code, Failure},
    interrupt,
    model::{Chosen, load_segmenter},
    precision,
};

pub(crate) fn run(args: &SegmentArgs, console: Console) -> Result<(), Failure> {
    let photos = inputs::find(&args.inputs, args.recursive)?;
    let plan = Plan::new(args, photos)?;
    let chosen = Chosen::open(&args.device.device)?;
    plan.check_any_exists()?;
    if plan.done > 0 {
        console.note(&format!("{} photos are done already", plan.done));
    }
    let mut report = Report::new(args, &chosen.found.name)?;
    if plan.photos.is_empty() {
        return report.finish();
    }
    let mut options = options(args);
    options.precision = precision::choose(args.precision, &chosen.found, console);
    let segmenter = load_segmenter(args.model.as_deref(), &options, &chosen, console)?;
    let message = format!("segmenting on {}", chosen.found.name);
    let bar = console.images_bar(plan.photos.len(), message);
    report.begin()?;
    let run = Run {
        args,
        console,
        segmenter,
        out: OutFolder::new(&args.out),
        chosen,
        report,
        bar,
        failures: Failures::default(),
    };
    run.all(&plan.photos)
}

/// How the network goes over photos.
fn options(args: &SegmentArgs) -> SegmenterOptions {
    let mut options = SegmenterOptions::default();
    if let Some(crop) = args.slide {
        options.input_size = InputSize::Photo;
        options.inference = match args.stride {
            None => Inference::slide(crop),
            Some(stride) => Inference::Slide { crop, stride },
        };
    }
    options
}

/// A run over many photos.
struct Run<'a> {
    args: &'a SegmentArgs,
    console: Console,
    segmenter: Segmenter,
    out: OutFolder<'a>,
    chosen: Chosen,
    report: Report,
    bar: ProgressBar,
    failures: Failures,
}

impl Run<'_> {
    fn all(mut self, photos: &[PathBuf]) -> Result<(), Failure> {
        let mut next = photos.first().map(|photo| decode::one(photo));
        for (index, photo) in photos.iter().enumerate() {
            let Some(decoded) = next.take() else { break };
            let work = Work::new(photo, self.args);
            // The next photo takes a thread of the pool, if one is idle: no more than were asked for
            // compute, and two photos are in memory.
            let (done, following) = rayon::join(
                || self.one(&work, decoded),
                || photos.get(index + 1).map(|photo| decode::one(photo)),
            );
            if !self.note(&work, done, photos.len() - index - 1)? {
                break;
            }
            next = following;
        }
        self.bar.finish_and_clear();
        self.report.finish()?;
        self.failures.summed_up()
    }

    /// Segments one photo and writes its files.
    fn one(&mut self, work: &Work<'_>, decoded: Decoded) -> Result<Segmented, Failure> {
        let photo = decoded.photo?;
        let (
            Segmentation {
                labels, timings, ..
            },
            prediction,
        ) = self.segment(&photo, work)?;
        let start = Instant::now();
        let palette = self.segmenter.palette();
        let mask = pixels::encode_label_png(&labels, palette)?;
        let overlay = pixels::overlay(&photo, &labels, palette, self.args.opacity)?;
        let overlay = pixels::encode_png(&overlay)?;
        self.out
            .write(work, self.args, &mask, &overlay, prediction.as_ref())?;
        let seconds = Seconds {
            decode: decoded.time.as_secs_f64(),
            preprocess: timings.preprocess.as_secs_f64(),
            forward: timings.forward.as_secs_f64(),
            postprocess: timings.postprocess.as_secs_f64(),
            write: start.elapsed().as_secs_f64(),
        };
        Ok(Segmented::new(work, &labels, &self.segmenter, seconds))
    }

    /// Labels a photo; its logits are kept only if they are to be written.
    fn segment(
        &self,
        photo: &RgbImage,
        work: &Work<'_>,
    ) -> Result<(Segmentation, Option<Prediction>), Failure> {
        if work.logits.is_none() {
            return Ok((self.segmenter.segment(photo)?, None));
        }
        let (prediction, timings) = self.segmenter.predict(photo)?;
        Ok((prediction.segmentation(timings)?, Some(prediction)))
    }

    /// Says what became of a photo; returns whether to go on with the `left` others.
    fn note(
        &mut self,
        work: &Work<'_>,
        done: Result<Segmented, Failure>,
        left: usize,
    ) -> Result<bool, Failure> {
        let Self {
            console,
            bar,
            report,
            chosen,
            failures,
            ..
        } = self;
        bar.inc(1);
        bar.suspend(|| match done {
            Ok(segmented) => {
                chosen.announce(*console);
                console.detail(&segmented.timing());
                report.segmented(&segmented)?;
                Ok(true)
            }
            Err(failure) => {
                let mut message = failure.to_string();
                let goes_on = !concerns_all(&failure);
                if !goes_on && left > 0 {
                    let _ = write!(message, "; stopped, {left} photos were not tried");
                }
                if !interrupt::is_pending() {
                    console.error(&message);
                }
                failures.add(failure.code());
                report.failed(work.input, &message)?;
                Ok(goes_on)
            }
        })
    }
}

/// Whether the next photo would fail in the same way: the disk or the device is the trouble.
fn concerns_all(failure: &Failure) -> bool {
    match failure {
        Failure::Library(
            upernet::Error::Backend { .. } | upernet::Error::Image(pixels::Error::Write { .. }),
        ) => true,
        Failure::Library(error) => error.kind() == ErrorKind::DeviceUnavailable,
        _ => false,
    }
}

/// The exit codes of failed photos.
#[derive(Debug, Default)]
struct Failures {
    common: Option<Code>,
}

impl Failures {
    fn add(&mut self, code: Code) {
        self.common = match self.common {
            None => Some(code),
            Some(before) if before == code => Some(code),
            Some(_) => Some(Code::Failed),
        };
    }

    /// The code that all failures share, or 1; each has its line already.
    fn summed_up(&self) -> Result<(), Failure> {
        self.common
            .map_or(Ok(()), |code| Err(Failure::Reported(code)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_keep_a_code_that_all_share() {
        let mut failures = Failures::default();
        assert!(failures.summed_up().is_ok());
        failures.add(Code::BadData);
        failures.add(Code::BadData);
        assert!(matches!(
            failures.summed_up(),
            Err(Failure::Reported(Code::BadData))
        ));
        failures.add(Code::NotFound);
        failures.add(Code::NotFound);
        assert!(matches!(
            failures.summed_up(),
            Err(Failure::Reported(Code::Failed))
        ));
    }
}
