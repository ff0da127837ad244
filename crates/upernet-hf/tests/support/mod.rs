//! A hub on this machine: HTTP/1.1 over `std::net`, with faults on demand.
#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary uses its own part of it"
)]

mod disk;
mod scene;
mod server;

use std::{
    collections::{BTreeMap, VecDeque},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

pub(crate) use disk::{assert_whole, blobs, digest, repo_folder, tag_of};
pub(crate) use scene::{CONFIG, LENGTH, Scene, WEIGHTS, all, from};
use upernet_hf::hub::{HubOptions, ModelId};

/// The one model of the fake hub.
pub(crate) const REPO: &str = "lab/tiny-upernet";
/// Commit that `main` stands for at first.
pub(crate) const COMMIT: &str = "1111111111111111111111111111111111111111";

/// What goes wrong with one request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// This status, `X-Error-Code` and a body that is no model file.
    Status(u16, &'static str),
    /// All headers, then this many bytes of the body, then the end of the connection.
    CutAfter(usize),
    /// All headers, then this many bytes of the body, then silence.
    StallAfter(usize),
    /// A body of this length, stated in `Content-Length`: cut or padded.
    Length(usize),
    /// No `Content-Length`; a body of this length, or of the right one.
    Unmeasured(Option<usize>),
    /// The right length and a wrong byte.
    Corrupt,
    /// The whole file with status 200, whatever part was asked for.
    WholeFile,
    /// One more header, instead of the usual one of that name.
    Header(&'static str, String),
    /// This body with status 200.
    Body(&'static str),
    /// A redirect of status 307 to this place.
    Redirect(String),
}

/// What the server saw.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) authorization: Option<String>,
}

/// Contents and behaviour of the server.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Commit to its files.
    pub(crate) commits: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    /// Branches and tags to commits.
    pub(crate) references: BTreeMap<String, String>,
    /// Where large files are redirected to.
    pub(crate) storage: Option<String>,
    /// Method and file (`api` for the look-up) to the faults of the next requests.
    pub(crate) faults: BTreeMap<(String, String), VecDeque<Fault>>,
    pub(crate) log: Vec<Seen>,
}

/// A running server; it stops when dropped.
pub(crate) struct FakeHub {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stopped: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl FakeHub {
    /// Starts a hub whose `main` has these files.
    pub(crate) fn start(files: &[(&str, &[u8])]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let state = Arc::new(Mutex::new(State::default()));
        let stopped = Arc::new(AtomicBool::new(false));
        let accepting = thread::spawn({
            let (state, stopped) = (Arc::clone(&state), Arc::clone(&stopped));
            move || accept(&listener, &state, &stopped)
        });
        let hub = Self {
            address,
            state,
            stopped,
            accepting: Some(accepting),
        };
        hub.commit(COMMIT, "main", files);
        hub
    }

    /// Adds a commit and lets a branch or tag stand for it.
    pub(crate) fn commit(&self, commit: &str, reference: &str, files: &[(&str, &[u8])]) {
        let files = files
            .iter()
            .map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()));
        let mut state = self.state();
        state.commits.insert(commit.to_owned(), files.collect());
        state
            .references
            .insert(reference.to_owned(), commit.to_owned());
    }

    /// Lets the next request of this method for this file fail; `api` is the look-up.
    pub(crate) fn fail(&self, method: &str, file: &str, fault: Fault) {
        let key = (method.to_owned(), file.to_owned());
        self.state().faults.entry(key).or_default().push_back(fault);
    }

    /// Lets many requests fail in the same way.
    pub(crate) fn fail_always(&self, method: &str, file: &str, fault: &Fault) {
        for _ in 0..50 {
            self.fail(method, file, fault.clone());
        }
    }

    /// Ends all faults.
    pub(crate) fn heal(&self) {
        self.state().faults.clear();
    }

    /// Redirects large files to another server.
    pub(crate) fn store_at(&self, storage: &Self) {
        self.state().storage = Some(storage.url());
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Takes the requests seen since the last call.
    pub(crate) fn take_log(&self) -> Vec<Seen> {
        std::mem::take(&mut self.state().log)
    }

    /// Takes the requests seen since the last call, as `METHOD file`, without the look-ups.
    pub(crate) fn take_file_requests(&self) -> Vec<String> {
        let files = self
            .take_log()
            .into_iter()
            .filter(|seen| !seen.path.starts_with("/api/"));
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        files
            .map(|seen| format!("{} {}", seen.method, name(&seen.path)))
            .collect()
    }

    /// Options that use this hub and retry at once; patient, as the machine may be busy.
    pub(crate) fn options(&self, cache: &tempfile::TempDir) -> HubOptions {
        HubOptions::new(cache.path())
            .endpoint(&self.url())
            .expect("a good address")
            .retries(2, Duration::from_millis(1))
            .timeouts(Duration::from_secs(5), Duration::from_secs(10))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no server thread panics with the lock")
    }
}

impl Drop for FakeHub {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread, which then sees the flag.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn accept(listener: &TcpListener, state: &Arc<Mutex<State>>, stopped: &Arc<AtomicBool>) {
    for connection in listener.incoming() {
        if stopped.load(Ordering::SeqCst) {
            return;
        }
        let (state, stopped) = (Arc::clone(state), Arc::clone(stopped));
        if let Ok(connection) = connection {
            thread::spawn(move || server::answer(connection, &state, &stopped));
        }
    }
}

/// The fake hub's model at `main`.
pub(crate) fn model() -> ModelId {
    ModelId::parse(REPO).expect("a valid id")
}

/// The fake hub's model at another revision.
pub(crate) fn model_at(revision: &str) -> ModelId {
    ModelId::parse(&format!("{REPO}@{revision}")).expect("a valid id")
}

/// Bytes that look like weights, no two pieces alike.
pub(crate) fn weights(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}
