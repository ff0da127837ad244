//! How the fake hub answers one connection.

use std::{
    io::{self, BufRead, BufReader, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::{Fault, REPO, Seen, State, tag_of};

/// Reads one request, answers it and closes; a client that has gone away is no failure.
pub(super) fn answer(connection: TcpStream, state: &Mutex<State>, stopped: &AtomicBool) {
    let _ = connection.set_read_timeout(Some(Duration::from_secs(5)));
    let Ok(seen) = read_request(&connection) else {
        return;
    };
    let (reply, fault) = {
        let mut state = state.lock().expect("no server thread panics with the lock");
        let file = name_in(&seen.path);
        let queue = state.faults.get_mut(&(seen.method.clone(), file));
        let fault = queue.and_then(std::collections::VecDeque::pop_front);
        let reply = route(&state, &seen, fault.as_ref());
        state.log.push(seen.clone());
        (reply, fault)
    };
    let _ = send(connection, &seen, reply, fault, stopped);
}

struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Reply {
    fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let mut reply = Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        };
        let length = reply.body.len();
        reply.set("Content-Length", length.to_string());
        reply
    }

    fn failure(status: u16, code: &str) -> Self {
        let mut reply = Self::new(status, "<html>this is no model</html>");
        reply.set("X-Error-Code", code.to_owned());
        reply.set("X-Error-Message", format!("{code} it is"));
        reply
    }

    fn set(&mut self, name: &'static str, value: String) {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name, value));
    }
}

fn read_request(connection: &TcpStream) -> io::Result<Seen> {
    let mut lines = BufReader::new(connection).lines();
    let first = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
    let mut words = first.split(' ').map(str::to_owned);
    let mut word = || words.next().unwrap_or_default();
    let mut seen = Seen {
        method: word(),
        path: word(),
        ..Seen::default()
    };
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "range" => seen.range = Some(value.trim().to_owned()),
            "authorization" => seen.authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    Ok(seen)
}

/// What a request is about: a file's name, or `api` for the look-up.
fn name_in(path: &str) -> String {
    let last = path.rsplit('/').next().unwrap_or_default();
    if path.starts_with("/api/") {
        "api".to_owned()
    } else {
        last.to_owned()
    }
}

fn route(state: &State, seen: &Seen, fault: Option<&Fault>) -> Reply {
    match fault {
        Some(Fault::Status(status, code)) => return Reply::failure(*status, code),
        Some(Fault::Body(text)) => return Reply::new(200, *text),
        Some(Fault::Redirect(place)) => {
            let mut reply = Reply::new(307, "moved");
            reply.set("Location", place.clone());
            return reply;
        }
        _ => {}
    }
    let path = seen.path.split('?').next().unwrap_or_default();
    if let Some(revision) = path.strip_prefix(&format!("/api/models/{REPO}/revision/")) {
        return listing(state, revision);
    }
    let storage = path.strip_prefix("/storage/");
    let hub = path.strip_prefix(&format!("/{REPO}/resolve/"));
    let Some((revision, file)) = storage.or(hub).and_then(|rest| rest.split_once('/')) else {
        return Reply::failure(404, "RepoNotFound");
    };
    let commit = state
        .references
        .get(revision)
        .map_or(revision, String::as_str);
    let Some(files) = state.commits.get(commit) else {
        return Reply::failure(404, "RevisionNotFound");
    };
    let Some(content) = files.get(file) else {
        return Reply::failure(404, "EntryNotFound");
    };
    let mut reply = match (&state.storage, is_large(file), storage) {
        (Some(elsewhere), true, None) => redirect(elsewhere, commit, file, content),
        _ => part(seen, content, matches!(fault, Some(Fault::WholeFile))),
    };
    if hub.is_some() {
        reply.set("X-Repo-Commit", commit.to_owned());
    }
    let tag = if storage.is_some() {
        "storage-tag".to_owned()
    } else {
        tag_of(file, content)
    };
    if reply.status < 300 {
        reply.set("ETag", format!("\"{tag}\""));
    }
    reply
}

fn is_large(file: &str) -> bool {
    !file.contains(".json")
}

fn listing(state: &State, revision: &str) -> Reply {
    let revision = revision.replace("%2F", "/");
    let commit = state.references.get(&revision).unwrap_or(&revision);
    let Some(files) = state.commits.get(commit) else {
        return Reply::failure(404, "RevisionNotFound");
    };
    let siblings: Vec<_> = files
        .keys()
        .map(|f| serde_json::json!({"rfilename": f}))
        .collect();
    let body = serde_json::json!({"id": REPO, "sha": commit, "siblings": siblings});
    Reply::new(200, body.to_string())
}

/// As the hub answers for a large file: the facts about it are here, the bytes elsewhere.
fn redirect(elsewhere: &str, commit: &str, file: &str, content: &[u8]) -> Reply {
    let mut reply = Reply::new(302, "found elsewhere");
    reply.set("Location", format!("{elsewhere}/storage/{commit}/{file}"));
    reply.set("X-Linked-Etag", format!("\"{}\"", tag_of(file, content)));
    reply.set("X-Linked-Size", content.len().to_string());
    reply.set("X-Xet-Hash", "c0ffee".repeat(10));
    reply.set("ETag", "\"of-the-redirect\"".to_owned());
    reply
}

fn part(seen: &Seen, content: &[u8], whole: bool) -> Reply {
    let start = seen
        .range
        .as_deref()
        .and_then(|range| range.strip_prefix("bytes="));
    let start = start.and_then(|range| range.strip_suffix('-')?.parse::<usize>().ok());
    match start.filter(|_| !whole) {
        None => Reply::new(200, content),
        Some(start) if start >= content.len() => Reply::failure(416, "Range"),
        Some(start) => {
            let mut reply = Reply::new(206, &content[start..]);
            let (last, length) = (content.len() - 1, content.len());
            reply.set("Content-Range", format!("bytes {start}-{last}/{length}"));
            reply
        }
    }
}

fn send(
    mut connection: TcpStream,
    seen: &Seen,
    mut reply: Reply,
    fault: Option<Fault>,
    stopped: &AtomicBool,
) -> io::Result<()> {
    let (mut sent, mut silent) = (reply.body.len(), false);
    match fault {
        Some(Fault::CutAfter(length)) => sent = length.min(sent),
        Some(Fault::StallAfter(length)) => (sent, silent) = (length.min(sent), true),
        Some(Fault::Length(length)) => {
            reply.body.resize(length, 0);
            reply.set("Content-Length", length.to_string());
            sent = length;
        }
        Some(Fault::Unmeasured(length)) => {
            sent = length.unwrap_or(sent);
            reply.body.resize(sent, 0);
            reply.headers.retain(|(name, _)| *name != "Content-Length");
        }
        Some(Fault::Corrupt) => {
            let middle = reply.body.len() / 2;
            reply.body[middle] ^= 1;
        }
        Some(Fault::Header(name, value)) => reply.set(name, value),
        _ => {}
    }
    let mut head = format!("HTTP/1.1 {} Status\r\nConnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head.extend([*name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    connection.write_all(head.as_bytes())?;
    if seen.method != "HEAD" {
        connection.write_all(&reply.body[..sent])?;
    }
    connection.flush()?;
    for _ in 0..500 {
        if !silent || stopped.load(Ordering::SeqCst) {
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    connection.shutdown(Shutdown::Write)
}
