//! From a model id to a folder on disk.

use std::path::PathBuf;

use super::{
    Error, HubOptions, ModelId, Progress,
    cache::RepoCache,
    lookup::{self, Listing},
    remote::Remote,
    selection::{self, CONFIG, PREPROCESSOR, Weights},
    transfer,
};

/// How many stall limits another process may spend on one file without progress: it retries, and
/// pauses in between.
const LOCK_PATIENCE: u32 = 4;

/// A model folder in the hub's cache.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PulledModel {
    /// Folder with `config.json` and the weights: `models--owner--name/snapshots/<commit>`.
    pub folder: PathBuf,
    /// Full hash of the commit that the files belong to.
    pub commit: String,
    /// Names of the files in the folder that make the model: configuration first, weights last.
    pub files: Vec<String>,
    /// Where the files came from.
    pub origin: Origin,
}

/// Where the files of a [`PulledModel`] came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// At least one file was downloaded.
    Downloaded,
    /// The cache had all files of the right commit.
    Cached,
    /// The cache had all files; offline mode left unasked whether the hub has newer ones.
    Offline,
    /// The cache had all files; the hub, which may have newer ones, could not be reached.
    Unconfirmed,
}

/// Brings a model into the cache, downloading only the files that make a model and are not there.
///
/// Those are `config.json`, `preprocessor_config.json` where there is one, and the weights in the
/// first of these forms: `model.safetensors`, its shards and their index, `pytorch_model.bin`, its
/// shards and their index. A file appears in the cache only when its length and hash are right; a
/// download that breaks off goes on where it stopped, by itself and in the next call. Two processes
/// do not download the same file at once.
///
/// A revision that is a full commit hash and complete in the cache needs no network. If the hub
/// cannot be reached and the cache has what the revision last stood for, that is returned, marked
/// [`Origin::Unconfirmed`].
///
/// The call blocks; from an asynchronous task, use a thread for blocking work.
///
/// ```no_run
/// use upernet_hf::hub::{HubOptions, ModelId, pull};
///
/// let model = ModelId::parse("openmmlab/upernet-swin-tiny")?;
/// let mut bar = |file: &str, done: u64, total: Option<u64>| eprintln!("{file} {done} {total:?}");
/// let pulled = pull(&model, &HubOptions::from_env()?, &mut bar)?;
/// println!("{}", pulled.folder.display());
/// # Ok::<(), upernet_hf::hub::Error>(())
/// ```
///
/// # Errors
///
/// Each says what to do: [`Error::RepoNotFound`], [`Error::RevisionNotFound`],
/// [`Error::FileNotFound`] and [`Error::NoWeights`] about what the hub lacks,
/// [`Error::AccessDenied`] about the token, [`Error::Offline`] about what the cache lacks,
/// [`Error::Network`], [`Error::Server`], [`Error::Protocol`] and [`Error::Interrupted`] about the
/// connection, [`Error::WrongSize`], [`Error::WrongHash`], [`Error::TooLarge`] and
/// [`Error::Index`] about bad content, [`Error::Cache`] and [`Error::Locked`] about the disk.
pub fn pull(
    model: &ModelId,
    options: &HubOptions,
    progress: &mut dyn Progress,
) -> Result<PulledModel, Error> {
    let cache = RepoCache::new(options.cache_folder(), model);
    if options.is_offline() {
        return cached(&cache, model, Origin::Offline).map_err(|lack| lack.offline(model, options));
    }
    if let Some(commit) = model.pinned_commit()
        && (cache.holds(commit, PREPROCESSOR) || cache.is_absent(commit, PREPROCESSOR))
        && let Ok(pulled) = cached(&cache, model, Origin::Cached)
    {
        return Ok(pulled);
    }
    let fallback = cached(&cache, model, Origin::Unconfirmed).ok();
    // Nobody should wait through all retries for what lies on the disk.
    let retries = if fallback.is_some() {
        0
    } else {
        options.retry_limit()
    };
    match lookup::lookup(model, options, retries) {
        Ok(listing) => {
            let remote = Remote::new(options, model, &listing.commit)?;
            let download = Download {
                listing: &listing,
                remote,
                cache: &cache,
                options,
                progress,
            };
            let pulled = download.run(model)?;
            // Last, so that a revision never stands for a snapshot that lacks files.
            cache.remember(model, &listing.commit)?;
            Ok(pulled)
        }
        // A guest network's sign-in page is no answer of the hub either.
        Err(error) if error.is_transient() || matches!(error, Error::Protocol { .. }) => {
            fallback.ok_or(error)
        }
        Err(error) => Err(error),
    }
}

/// Why the cache cannot serve a model.
enum Lack {
    File(String),
    Unusable(Error),
}

impl Lack {
    fn offline(self, model: &ModelId, options: &HubOptions) -> Error {
        match self {
            Self::Unusable(error) => error,
            Self::File(file) => Error::Offline {
                repo: model.repo(),
                revision: model.revision().to_owned(),
                file,
                cache: options.cache_folder().to_owned(),
            },
        }
    }
}

/// Finds a whole model in the cache.
fn cached(cache: &RepoCache, model: &ModelId, origin: Origin) -> Result<PulledModel, Lack> {
    let commit = cache
        .commit_of(model)
        .ok_or_else(|| Lack::File(CONFIG.to_owned()))?;
    let has = |file: &str| cache.holds(&commit, file);
    if !has(CONFIG) {
        return Err(Lack::File(CONFIG.to_owned()));
    }
    let mut files = vec![CONFIG.to_owned()];
    files.extend(has(PREPROCESSOR).then(|| PREPROCESSOR.to_owned()));
    let mut lack = None;
    for weights in Weights::available(has) {
        match cached_weights(cache, &commit, weights) {
            Ok(weights) => {
                files.extend(weights);
                let (folder, commit) = (cache.snapshot(&commit), commit.clone());
                return Ok(PulledModel {
                    folder,
                    commit,
                    files,
                    origin,
                });
            }
            Err(first) => lack = lack.or(Some(first)),
        }
    }
    Err(lack.unwrap_or_else(|| Lack::File("model.safetensors".to_owned())))
}

fn cached_weights(cache: &RepoCache, commit: &str, weights: Weights) -> Result<Vec<String>, Lack> {
    let mut files = vec![weights.entry().to_owned()];
    if let Weights::Sharded(index) = weights {
        let shards = selection::shards(&cache.snapshot(commit).join(index));
        files.extend(shards.map_err(Lack::Unusable)?);
    }
    match files.iter().find(|file| !cache.holds(commit, file)) {
        Some(missing) => Err(Lack::File(missing.clone())),
        None => Ok(files),
    }
}

/// One pull of one commit.
struct Download<'a> {
    listing: &'a Listing,
    remote: Remote<'a>,
    cache: &'a RepoCache,
    options: &'a HubOptions,
    progress: &'a mut dyn Progress,
}

impl Download<'_> {
    fn run(mut self, model: &ModelId) -> Result<PulledModel, Error> {
        let commit = &self.listing.commit;
        let has = |file: &str| self.listing.files.contains(file);
        // Before the first byte moves: half a model is of no use.
        if !has(CONFIG) {
            let (repo, commit) = (model.repo(), commit.clone());
            return Err(Error::FileNotFound {
                repo,
                commit,
                file: CONFIG.to_owned(),
            });
        }
        let weights = Weights::available(has).next();
        let weights = weights.ok_or_else(|| Error::NoWeights {
            repo: model.repo(),
            commit: commit.clone(),
        })?;
        let mut files = vec![CONFIG.to_owned()];
        if has(PREPROCESSOR) {
            files.push(PREPROCESSOR.to_owned());
        } else {
            self.cache.mark_absent(commit, PREPROCESSOR)?;
        }
        files.push(weights.entry().to_owned());
        let mut downloaded = self.obtain_all(&files)?;
        if let Weights::Sharded(index) = weights {
            let shards = selection::shards(&self.cache.snapshot(commit).join(index))?;
            downloaded |= self.obtain_all(&shards)?;
            files.extend(shards);
        }
        Ok(PulledModel {
            folder: self.cache.snapshot(commit),
            commit: commit.clone(),
            files,
            origin: if downloaded {
                Origin::Downloaded
            } else {
                Origin::Cached
            },
        })
    }

    /// Brings the files into the snapshot; tells whether any byte had to be downloaded.
    fn obtain_all(&mut self, files: &[String]) -> Result<bool, Error> {
        files.iter().try_fold(false, |downloaded, file| {
            Ok(self.obtain(file)? || downloaded)
        })
    }

    fn obtain(&mut self, file: &str) -> Result<bool, Error> {
        let (cache, commit) = (self.cache, &self.listing.commit);
        if cache.holds(commit, file) {
            return Ok(false);
        }
        let file = transfer::with_retries(self.options, || self.remote.describe(file))?;
        let mut downloaded = false;
        if !cache.has_blob(&file.tag, file.size) {
            let patience = self.options.stall_limit() * LOCK_PATIENCE;
            let lock = cache.lock(&file.tag, patience)?;
            // Another process may have brought it while this one waited.
            if !cache.has_blob(&file.tag, file.size) {
                let path = &lock.incomplete;
                transfer::fetch(&self.remote, &file, path, self.options, self.progress)?;
                cache.publish(&lock, &file.tag)?;
                downloaded = true;
            }
        }
        cache.point(commit, &file.name, &file.tag)?;
        Ok(downloaded)
    }
}
