//! From `--device` and `--model` to something that computes, with progress bars on the way.

use indicatif::ProgressBar;
use upernet::{
    Segmenter, SegmenterOptions,
    device::{self, Found},
    head::PreparedUperNet,
    hf::ModelFolder,
    nn::Precision,
    source,
    zoo::{self, KeyReport, Model},
};

use crate::{console::Console, failure::Failure};

/// A device, and whether the caller has yet to hear which one it is.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) found: Found,
    unannounced: bool,
}

impl Chosen {
    /// Opens the device of that name.
    pub(crate) fn open(name: &str) -> Result<Self, Failure> {
        Ok(Self {
            found: device::find(name)?,
            unannounced: name == "auto",
        })
    }

    /// Says once which device `auto` stands for.
    ///
    /// Called with the first result, so that a call which fails has its error alone on stderr.
    pub(crate) fn announce(&mut self, console: Console) {
        if std::mem::take(&mut self.unannounced) {
            console.note(&format!("device: {}", self.found.name));
        }
    }
}

/// Finds a model folder, downloading it if it is on the hub.
pub(crate) fn open_folder(model: &str, console: Console) -> Result<ModelFolder, Failure> {
    let mut bar = DownloadBar::new(console);
    let located = source::locate(model, &mut |file, done, total| {
        bar.advance(file, done, total);
    })?;
    drop(bar);
    if located.unconfirmed {
        console.note("the hub cannot be reached; this is the model that the cache has");
    }
    let folder = ModelFolder::open(&located.path)?;
    console.detail(&format!("model: {}", located.path.display()));
    Ok(folder)
}

/// Opens the model that was named, or the embedded one, and then says so.
fn open_folder_or_demo(model: Option<&str>, console: Console) -> Result<ModelFolder, Failure> {
    match model {
        Some(model) => open_folder(model, console),
        #[cfg(feature = "demo")]
        None => {
            console.note(&format!("no --model, so this is {}", upernet::demo::ABOUT));
            Ok(upernet::demo::model()?)
        }
        #[cfg(not(feature = "demo"))]
        None => Err(Failure::Usage(
            "name a model with --model; this build has none in it".to_owned(),
        )),
    }
}

/// Loads a model with its image processor: the one that was named, or the embedded one.
pub(crate) fn load_segmenter(
    model: Option<&str>,
    options: &SegmenterOptions,
    chosen: &Chosen,
    console: Console,
) -> Result<Segmenter, Failure> {
    let folder = open_folder_or_demo(model, console)?;
    let bar = console.share_bar("loading weights");
    let progress = |share| set_share(&bar, share);
    let segmenter = Segmenter::load_with(&folder, options, &chosen.found.device, progress)?;
    bar.finish_and_clear();
    Ok(segmenter)
}

/// Loads the network of an opened folder as it is trained.
pub(crate) fn load_network(
    folder: &ModelFolder,
    chosen: &Chosen,
    console: Console,
) -> Result<Model, Failure> {
    let bar = console.share_bar("loading weights");
    let options = zoo::BuildOptions::default();
    let progress = |share| set_share(&bar, share);
    let (model, report) = zoo::load_with(folder, &options, &chosen.found.device, progress)?;
    bar.finish_and_clear();
    detail(&report, console);
    Ok(model)
}

/// Loads the network of an opened folder, made ready for inference.
pub(crate) fn load_prepared(
    folder: &ModelFolder,
    precision: Precision,
    chosen: &Chosen,
    console: Console,
) -> Result<PreparedUperNet, Failure> {
    let bar = console.share_bar("loading weights");
    let options = zoo::BuildOptions::default();
    let progress = |share| set_share(&bar, share);
    let device = &chosen.found.device;
    let (model, report) = zoo::load_prepared(folder, &options, precision, device, progress)?;
    bar.finish_and_clear();
    detail(&report, console);
    Ok(model)
}

fn detail(report: &KeyReport, console: Console) {
    console.detail(&format!(
        "weights: {} tensors applied, {} ignored",
        report.applied.len(),
        report.ignored.len()
    ));
}

fn set_share(bar: &ProgressBar, share: f64) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 1000"
    )]
    bar.set_position((1000.0 * share.clamp(0.0, 1.0)) as u64);
}

/// A bar for each file of a download.
#[derive(Debug)]
pub(crate) struct DownloadBar {
    console: Console,
    current: Option<(String, ProgressBar)>,
}

impl DownloadBar {
    pub(crate) fn new(console: Console) -> Self {
        Self {
            console,
            current: None,
        }
    }

    /// `done` of `total` bytes of `file` are on disk.
    pub(crate) fn advance(&mut self, file: &str, done: u64, total: Option<u64>) {
        if self.current.as_ref().is_none_or(|(name, _)| name != file) {
            self.clear();
            let bar = self.console.bytes_bar();
            bar.set_message(file.to_owned());
            // What an earlier download left behind says nothing about the speed of this one.
            bar.set_position(done);
            bar.reset_eta();
            self.current = Some((file.to_owned(), bar));
        }
        if let Some((_, bar)) = &self.current {
            if let Some(total) = total {
                bar.set_length(total);
            }
            bar.set_position(done);
        }
    }

    fn clear(&mut self) {
        if let Some((_, bar)) = self.current.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for DownloadBar {
    fn drop(&mut self) {
        self.clear();
    }
}
