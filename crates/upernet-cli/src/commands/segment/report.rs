//! What became of each photo, as tables or as one JSON document.

use std::{
    fmt::Write as _,
    io::{self, Read as _, Seek as _, Write as _},
    path::Path,
};

use serde::Serialize;
use tempfile::SpooledTempFile;
use upernet::{Segmenter, pixels::LabelMap};

use super::plan::Work;
use crate::{
    cli::SegmentArgs,
    failure::Failure,
    output::{Align, Stdout, Table, one_line, to_json},
};

/// Bytes of failures that are kept in memory; more go to a temporary file.
const SPOOL_BYTES: usize = 1 << 20;

/// A segmented photo.
#[derive(Serialize)]
pub(super) struct Segmented {
    input: String,
    mask: String,
    overlay: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    logits: Option<String>,
    /// `[height, width]` in pixels.
    size: [usize; 2],
    classes: Vec<Class>,
    seconds: Seconds,
}

/// How much of a photo a class covers.
#[derive(Serialize)]
struct Class {
    id: u16,
    name: String,
    pixels: u64,
    fraction: f64,
}

/// How long each step took.
#[derive(Serialize)]
pub(super) struct Seconds {
    pub(super) decode: f64,
    pub(super) preprocess: f64,
    pub(super) forward: f64,
    pub(super) postprocess: f64,
    pub(super) write: f64,
}

impl Segmented {
    pub(super) fn new(
        work: &Work<'_>,
        labels: &LabelMap,
        segmenter: &Segmenter,
        seconds: Seconds,
    ) -> Self {
        let classes = labels.class_areas().into_iter().map(|area| Class {
            id: area.label,
            name: segmenter.class_name(area.label).to_owned(),
            pixels: area.pixels,
            fraction: area.fraction,
        });
        Self {
            input: text(work.input),
            mask: text(&work.mask),
            overlay: text(&work.overlay),
            logits: work.logits.as_deref().map(text),
            size: labels.size(),
            classes: classes.collect(),
            seconds,
        }
    }

    /// How long it took, in one line.
    pub(super) fn timing(&self) -> String {
        let Seconds {
            decode,
            preprocess,
            forward,
            postprocess,
            write,
        } = &self.seconds;
        format!(
            "{}: decode {decode:.3} s, preprocess {preprocess:.3} s, forward {forward:.3} s, \
             postprocess {postprocess:.3} s, write {write:.3} s",
            self.input
        )
    }

    fn table(&self) -> String {
        let [height, width] = self.size;
        let mut text = String::new();
        let [input, mask] = [&self.input, &self.mask].map(|path| one_line(path));
        let _ = writeln!(text, "{input}  {height} x {width}  ->  {mask}");
        let mut table = Table::new(&[
            ("class", Align::Left),
            ("pixels", Align::Right),
            ("area", Align::Right),
        ]);
        for class in &self.classes {
            let area = format!("{:.2} %", 100.0 * class.fraction);
            table.row([class.name.clone(), class.pixels.to_string(), area]);
        }
        let _ = writeln!(text, "{table}");
        text
    }
}

/// Where reports go.
pub(super) enum Report {
    Text(Stdout),
    Json(Box<Json>),
}

impl Report {
    pub(super) fn new(args: &SegmentArgs, device: &str) -> Result<Self, Failure> {
        if args.json {
            Ok(Self::Json(Box::new(Json::new(
                args.model.as_deref(),
                device,
            )?)))
        } else {
            Ok(Self::Text(Stdout::default()))
        }
    }

    /// Everything that could fail for all photos has been checked.
    pub(super) fn begin(&mut self) -> Result<(), Failure> {
        match self {
            Self::Text(_) => Ok(()),
            Self::Json(json) => json.begin(),
        }
    }

    pub(super) fn segmented(&mut self, segmented: &Segmented) -> Result<(), Failure> {
        match self {
            Self::Text(stdout) => stdout.print(&segmented.table()),
            Self::Json(json) => json.image(segmented),
        }
    }

    /// The line on stderr is the caller's.
    pub(super) fn failed(&mut self, input: &Path, error: &str) -> Result<(), Failure> {
        match self {
            Self::Text(_) => Ok(()),
            Self::Json(json) => json.failure(input, error),
        }
    }

    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        match self {
            Self::Text(_) => Ok(()),
            Self::Json(json) => json.finish(),
        }
    }
}

/// One JSON document, written as it grows: ten million photos take no more memory than one.
///
/// Every piece ends its line, so that progress bars and the document can share a terminal.
pub(super) struct Json {
    stdout: Stdout,
    head: String,
    begun: bool,
    images: usize,
    /// Failures come after the images, so they wait here.
    failures: SpooledTempFile,
    failed: usize,
}

impl Json {
    fn new(model: Option<&str>, device: &str) -> Result<Self, Failure> {
        let model = model.unwrap_or("the embedded demo model");
        let (model, device) = (to_json(&model, false)?, to_json(&device, false)?);
        Ok(Self {
            stdout: Stdout::default(),
            head: format!("{{\"model\":{model},\"device\":{device},\"images\":[\n"),
            begun: false,
            images: 0,
            failures: tempfile::spooled_tempfile(SPOOL_BYTES),
            failed: 0,
        })
    }

    fn begin(&mut self) -> Result<(), Failure> {
        if self.begun {
            return Ok(());
        }
        self.begun = true;
        self.stdout.print_verbatim(self.head.as_bytes())
    }

    fn image(&mut self, image: &Segmented) -> Result<(), Failure> {
        let line = element(self.images, image)?;
        self.images += 1;
        self.stdout.print_verbatim(line.as_bytes())
    }

    fn failure(&mut self, input: &Path, error: &str) -> Result<(), Failure> {
        let input = text(input);
        let line = element(
            self.failed,
            &serde_json::json!({"input": input, "error": error}),
        )?;
        self.failed += 1;
        self.failures.write_all(line.as_bytes()).map_err(spool)
    }

    fn finish(&mut self) -> Result<(), Failure> {
        self.begin()?;
        self.stdout.print_verbatim(b"],\"failed\":[\n")?;
        self.failures.rewind().map_err(spool)?;
        let mut piece = vec![0; 1 << 16];
        loop {
            let length = self.failures.read(&mut piece).map_err(spool)?;
            if length == 0 {
                break;
            }
            self.stdout.print_verbatim(&piece[..length])?;
        }
        self.stdout.print_verbatim(b"]}\n")
    }
}

/// An element of an array, on a line of its own, after `before` others.
fn element(before: usize, value: &impl Serialize) -> Result<String, Failure> {
    let separator = if before == 0 { "" } else { "," };
    Ok(format!("{separator}{}\n", to_json(value, false)?))
}

/// A path as JSON can show it.
fn text(path: &Path) -> String {
    path.display().to_string()
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` has it")]
fn spool(error: io::Error) -> Failure {
    Failure::Failed(format!(
        "the list of failures cannot be kept on disk: {error}"
    ))
}
