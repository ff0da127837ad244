//! `models pull`: from the hub into the cache.

use crate::{console::Console, failure::Failure};

#[cfg(feature = "hub")]
pub(super) fn run(model: &str, json: bool, console: Console) -> Result<(), Failure> {
    use upernet::hf::hub::{HubOptions, ModelId, Origin, pull};

    use crate::{model::DownloadBar, output::Stdout};

    let hub = |error: upernet::hf::hub::Error| Failure::from(upernet::Error::from(error));
    let id = ModelId::parse(model).map_err(hub)?;
    let options = HubOptions::from_env().map_err(hub)?;
    let mut bar = DownloadBar::new(console);
    let mut progress = |file: &str, done: u64, total: Option<u64>| bar.advance(file, done, total);
    let pulled = pull(&id, &options, &mut progress).map_err(hub)?;
    drop(bar);
    if pulled.origin == Origin::Unconfirmed {
        console.note("the hub cannot be reached; this is what the cache has");
    }
    if json {
        let origin = match pulled.origin {
            Origin::Downloaded => "downloaded",
            Origin::Unconfirmed => "unconfirmed",
            Origin::Offline => "offline",
            _ => "cached",
        };
        return Stdout::default().print_json(&serde_json::json!({
            "model": id.repo(),
            "revision": id.revision(),
            "commit": pulled.commit,
            "folder": pulled.folder,
            "files": pulled.files,
            "origin": origin,
        }));
    }
    // For `$(upernet models pull ...)`.
    Stdout::default().print_verbatim(format!("{}\n", pulled.folder.display()).as_bytes())
}

#[cfg(not(feature = "hub"))]
pub(super) fn run(_model: &str, _json: bool, _console: Console) -> Result<(), Failure> {
    let message = "this build cannot use the hub (build with --features hub)";
    Err(Failure::Failed(message.to_owned()))
}
