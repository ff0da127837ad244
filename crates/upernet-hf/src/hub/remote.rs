//! The files of one commit on the hub: what they are, and their bytes from any offset on.
//!
//! Protocol: `HEAD` and `GET {endpoint}/{owner}/{name}/resolve/{commit}/{file}`. Large files are
//! redirected to a storage host; the answer before the redirect carries `X-Linked-Etag` and
//! `X-Linked-Size`. `X-Xet-Hash` is not followed: the hub serves every file over plain HTTP too, and
//! mirrors serve nothing else.

use reqwest::{
    Method, StatusCode, Url,
    blocking::{Client, Response},
    header::{
        ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap,
        HeaderValue, LOCATION, RANGE,
    },
    redirect::Policy,
};

use super::{
    Error, HubOptions, ModelId,
    error::{innermost, one_line},
};

/// How this crate names itself to the hub.
pub(super) const USER_AGENT: &str = concat!("upernet/", env!("CARGO_PKG_VERSION"));
/// Most redirects followed for one request.
const MOST_REDIRECTS: usize = 10;

/// Tag of a large file, in the answer that redirects to where it is stored.
const LINKED_TAG: &str = "x-linked-etag";

/// A commit of a model on the hub.
#[derive(Debug)]
pub(super) struct Remote<'a> {
    client: Client,
    options: &'a HubOptions,
    repo: String,
    commit: &'a str,
    authorization: Option<HeaderValue>,
}

/// What the hub says about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteFile {
    pub(super) name: String,
    /// Entity tag, safe as a file name.
    pub(super) tag: String,
    /// Length in bytes, where stated.
    pub(super) size: Option<u64>,
}

/// The bytes of a file from `start` on.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) response: Response,
    pub(super) start: u64,
    /// Length of the whole file in bytes, where stated.
    pub(super) size: Option<u64>,
}

impl<'a> Remote<'a> {
    pub(super) fn new(
        options: &'a HubOptions,
        model: &ModelId,
        commit: &'a str,
    ) -> Result<Self, Error> {
        let builder = Client::builder()
            .user_agent(USER_AGENT)
            // Followed here by hand: the first answer has what later ones lack, and the token must
            // stay with the hub.
            .redirect(Policy::none())
            .connect_timeout(options.connect_limit())
            .timeout(options.stall_limit());
        let builder = if options.is_loopback() {
            builder.no_proxy()
        } else {
            builder
        };
        let client = builder.build().map_err(|error| network(options, error))?;
        let authorization = options.authorization()?;
        Ok(Self {
            client,
            options,
            repo: model.repo(),
            commit,
            authorization,
        })
    }

    /// Asks what the file is.
    pub(super) fn describe(&self, file: &str) -> Result<RemoteFile, Error> {
        let response = self.send(&Method::HEAD, file, 0)?;
        if !response.status().is_success() && !response.status().is_redirection() {
            return Err(self.refusal(file, &response));
        }
        let headers = response.headers();
        let tag = text(headers, LINKED_TAG).or_else(|| text(headers, ETAG.as_str()));
        let tag = tag.map(|tag| tag.trim_start_matches("W/").trim_matches('"'));
        let tag = tag.filter(|tag| is_safe_tag(tag));
        let tag = tag.ok_or_else(|| self.foreign(file, "it has no usable ETag"))?;
        if text(headers, "x-repo-commit").is_some_and(|commit| commit != self.commit) {
            return Err(self.foreign(file, "it is about another commit"));
        }
        let own = || number(headers, CONTENT_LENGTH.as_str());
        let own = if response.status().is_success() {
            own()
        } else {
            None
        };
        let size = number(headers, "x-linked-size").or(own);
        Ok(RemoteFile {
            name: file.to_owned(),
            tag: tag.to_owned(),
            size,
        })
    }

    /// Opens the file at `offset`, or at its start where the server cannot do that.
    pub(super) fn open(&self, file: &RemoteFile, offset: u64) -> Result<Body, Error> {
        let response = self.send(&Method::GET, &file.name, offset)?;
        let length = number(response.headers(), CONTENT_LENGTH.as_str());
        let (start, size) = match response.status() {
            StatusCode::OK => (0, length),
            StatusCode::PARTIAL_CONTENT => {
                let range = text(response.headers(), CONTENT_RANGE.as_str());
                let start = range.and_then(range_start);
                if start != Some(offset) {
                    return Err(self.foreign(&file.name, "it is another part than asked for"));
                }
                (offset, length.and_then(|length| length.checked_add(offset)))
            }
            StatusCode::RANGE_NOT_SATISFIABLE if offset > 0 => return self.open(file, 0),
            _ => return Err(self.refusal(&file.name, &response)),
        };
        match (file.size, size) {
            (Some(expected), Some(found)) if expected != found => Err(Error::WrongSize {
                file: file.name.clone(),
                expected,
                found,
            }),
            (stated, found) => Ok(Body {
                response,
                start,
                size: stated.or(found),
            }),
        }
    }

    /// Sends a request and follows redirects; a `HEAD` only as far as the facts about the file.
    fn send(&self, method: &Method, file: &str, offset: u64) -> Result<Response, Error> {
        let endpoint = self.options.endpoint_url();
        let address = format!("{endpoint}/{}/resolve/{}/{file}", self.repo, self.commit);
        let hub = Url::parse(&address).map_err(|_| Error::Endpoint {
            found: endpoint.to_owned(),
        })?;
        let (mut url, mut trusted) = (hub.clone(), true);
        for _ in 0..=MOST_REDIRECTS {
            let mut request = self.client.request(method.clone(), url.clone());
            request = request.header(ACCEPT_ENCODING, "identity");
            if let Some(token) = self.authorization.as_ref().filter(|_| trusted) {
                request = request.header(AUTHORIZATION, token);
            }
            if offset > 0 {
                request = request.header(RANGE, format!("bytes={offset}-"));
            }
            let response = request
                .send()
                .map_err(|error| network(self.options, error))?;
            let Some(next) = redirection(&response, &url) else {
                return Ok(response);
            };
            let stays = next.origin() == hub.origin();
            if *method == Method::HEAD && text(response.headers(), LINKED_TAG).is_some() {
                return Ok(response);
            }
            trusted &= stays;
            url = next;
        }
        Err(self.foreign(file, "it redirects in circles"))
    }

    /// Says in words what a status of failure means for this file.
    fn refusal(&self, file: &str, response: &Response) -> Error {
        let (status, headers) = (response.status(), response.headers());
        let (repo, commit) = (self.repo.clone(), self.commit.to_owned());
        let endpoint = self.options.endpoint_url().to_owned();
        match (status.as_u16(), text(headers, "x-error-code")) {
            (401 | 403 | 404, Some("RepoNotFound")) => Error::RepoNotFound { repo, endpoint },
            (404, Some("RevisionNotFound")) => Error::RevisionNotFound {
                repo,
                revision: commit,
            },
            (status @ (401 | 403), _) => Error::AccessDenied {
                repo,
                endpoint,
                status,
            },
            (404, _) => Error::FileNotFound {
                repo,
                commit,
                file: file.to_owned(),
            },
            (status, _) => Error::Server {
                endpoint,
                status,
                what: format!("{file} of {repo}"),
                message: one_line(text(headers, "x-error-message").unwrap_or("no reason given")),
            },
        }
    }

    fn foreign(&self, file: &str, reason: &str) -> Error {
        Error::Protocol {
            endpoint: self.options.endpoint_url().to_owned(),
            what: format!("{file} of {}", self.repo),
            reason: reason.to_owned(),
        }
    }
}

fn network(options: &HubOptions, error: reqwest::Error) -> Error {
    // Storage addresses carry signatures that open the file to anybody.
    let error = error.without_url();
    Error::Network {
        endpoint: options.endpoint_url().to_owned(),
        reason: innermost(&error),
        source: Box::new(error),
    }
}

fn redirection(response: &Response, from: &Url) -> Option<Url> {
    let follows = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let next = from
        .join(text(response.headers(), LOCATION.as_str()).filter(|_| follows)?)
        .ok()?;
    matches!(next.scheme(), "http" | "https").then_some(next)
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.trim().parse().ok()
}

/// Start of `bytes 10-99/100`.
fn range_start(range: &str) -> Option<u64> {
    range
        .strip_prefix("bytes ")?
        .split_once('-')?
        .0
        .trim()
        .parse()
        .ok()
}

/// A tag becomes a file name.
fn is_safe_tag(tag: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !tag.is_empty() && tag.len() <= 200 && !tag.starts_with('.') && tag.bytes().all(known)
}

#[cfg(test)]
mod tests {
    use super::{is_safe_tag, range_start};

    #[test]
    fn tags_cannot_leave_the_blob_folder() {
        assert!(is_safe_tag("5891b5b5") && is_safe_tag("686897696a7c-gzip"));
        for bad in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a\\b",
            ".hidden",
            "a b",
            &"x".repeat(201),
        ] {
            assert!(!is_safe_tag(bad), "{bad:?} must be refused");
        }
    }

    #[test]
    fn ranges_are_read() {
        assert_eq!(range_start("bytes 10-99/100"), Some(10));
        assert_eq!(range_start("bytes 0-0/*"), Some(0));
        for bad in ["", "bytes */100", "10-99/100", "bytes -5/9", "bytes x-9/10"] {
            assert_eq!(range_start(bad), None, "{bad:?} is no range");
        }
    }
}
