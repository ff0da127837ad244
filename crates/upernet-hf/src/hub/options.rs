//! Where the hub is, where its cache lies, and how patient to be.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::{Url, header::HeaderValue};

use super::{Error, environment};

/// The public hub.
const DEFAULT_ENDPOINT: &str = "https://huggingface.co";

/// Settings of a download; [`HubOptions::from_env`] reads what Python's `huggingface_hub` reads.
///
/// ```
/// use std::time::Duration;
/// use upernet_hf::hub::HubOptions;
///
/// let options = HubOptions::new("/srv/models")
///     .endpoint("https://hf-mirror.com/")?
///     .token(Some("hf_secret"))?
///     .offline(true);
/// assert_eq!(options.endpoint_url(), "https://hf-mirror.com");
/// assert!(options.is_offline());
/// assert!(!format!("{options:?}").contains("secret"));
/// # Ok::<(), upernet_hf::hub::Error>(())
/// ```
#[derive(Clone)]
pub struct HubOptions {
    cache: PathBuf,
    endpoint: String,
    token: Option<String>,
    offline: bool,
    retries: u32,
    pause: Duration,
    connect_timeout: Duration,
    stall_timeout: Duration,
}

impl HubOptions {
    /// The public hub without a token, and a cache in `cache`, the folder that holds the
    /// `models--owner--name` folders.
    #[must_use]
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Self {
            cache: cache.into(),
            endpoint: DEFAULT_ENDPOINT.to_owned(),
            token: None,
            offline: false,
            retries: 4,
            pause: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
        }
    }

    /// Reads the environment as Python's `huggingface_hub` does, so that both share one cache.
    ///
    /// - cache: `HF_HUB_CACHE` (or its old name `HUGGINGFACE_HUB_CACHE`), else `$HF_HOME/hub`;
    ///   `HF_HOME` is `$XDG_CACHE_HOME/huggingface` or `~/.cache/huggingface` by default;
    /// - address: `HF_ENDPOINT`;
    /// - token: `HF_TOKEN` (or `HUGGING_FACE_HUB_TOKEN`), else the file `HF_TOKEN_PATH`, else
    ///   `$HF_HOME/token`, unless `HF_HUB_DISABLE_IMPLICIT_TOKEN` is true;
    /// - offline: `HF_HUB_OFFLINE` or else `TRANSFORMERS_OFFLINE`; true is any of `1`, `true`,
    ///   `yes`, `on`, in either case.
    ///
    /// An empty variable counts as unset. A leading `~/` is the home folder.
    ///
    /// # Errors
    ///
    /// [`Error::NoCacheFolder`] without any home, [`Error::Endpoint`], [`Error::Token`].
    pub fn from_env() -> Result<Self, Error> {
        environment::read(&|name| std::env::var_os(name))
    }

    /// Sets the folder that holds the `models--owner--name` folders.
    #[must_use]
    pub fn cache(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cache = folder.into();
        self
    }

    /// Sets the address of the hub or of a mirror of it.
    ///
    /// # Errors
    ///
    /// [`Error::Endpoint`] unless it is `http://` or `https://` with a host.
    pub fn endpoint(mut self, address: &str) -> Result<Self, Error> {
        let refuse = || Error::Endpoint {
            found: address.to_owned(),
        };
        let url = Url::parse(address).map_err(|_| refuse())?;
        let plain = url.query().is_none() && url.fragment().is_none();
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() || !plain {
            return Err(refuse());
        }
        url.as_str()
            .trim_end_matches('/')
            .clone_into(&mut self.endpoint);
        Ok(self)
    }

    /// Sets or clears the token that is sent to the hub, and to no other host.
    ///
    /// # Errors
    ///
    /// [`Error::Token`] if it has characters that no HTTP header can carry.
    pub fn token(mut self, token: Option<&str>) -> Result<Self, Error> {
        let token = token.map(str::trim).filter(|token| !token.is_empty());
        if token.is_some_and(|token| !token.bytes().all(|b| b.is_ascii_graphic())) {
            return Err(Error::Token);
        }
        self.token = token.map(str::to_owned);
        Ok(self)
    }

    /// Serves from the cache alone; nothing is sent over the network.
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// Sets how often a request that broke off is tried again (4 by default), and the pause before
    /// the first of those, doubled each time (half a second by default).
    ///
    /// A download that got at least 1 MiB further has all its retries back.
    #[must_use]
    pub fn retries(mut self, retries: u32, pause: Duration) -> Self {
        self.retries = retries;
        self.pause = pause;
        self
    }

    /// Sets how long to wait for a connection (10 s by default) and for the next bytes on it (30 s
    /// by default).
    #[must_use]
    pub fn timeouts(mut self, connect: Duration, stall: Duration) -> Self {
        self.connect_timeout = connect;
        self.stall_timeout = stall;
        self
    }

    /// Folder that holds the `models--owner--name` folders.
    #[must_use]
    pub fn cache_folder(&self) -> &Path {
        &self.cache
    }

    /// Address of the hub, without a slash at its end.
    #[must_use]
    pub fn endpoint_url(&self) -> &str {
        &self.endpoint
    }

    /// Whether only the cache may be used.
    #[must_use]
    pub fn is_offline(&self) -> bool {
        self.offline
    }

    pub(super) fn token_text(&self) -> Option<&str> {
        self.token.as_deref()
    }

    pub(super) fn authorization(&self) -> Result<Option<HeaderValue>, Error> {
        let Some(token) = &self.token else {
            return Ok(None);
        };
        let mut value =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| Error::Token)?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    pub(super) fn retry_limit(&self) -> u32 {
        self.retries
    }

    /// Pause before retry number `retry`, counted from 0; never more than half a minute.
    pub(super) fn pause_before(&self, retry: u32) -> Duration {
        self.pause
            .saturating_mul(1 << retry.min(16))
            .min(Duration::from_secs(30))
    }

    pub(super) fn connect_limit(&self) -> Duration {
        self.connect_timeout
    }

    pub(super) fn stall_limit(&self) -> Duration {
        self.stall_timeout
    }

    /// Whether the hub runs on this machine, where a system-wide proxy cannot reach it.
    pub(super) fn is_loopback(&self) -> bool {
        let url = Url::parse(&self.endpoint).ok();
        let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
        host == "localhost" || host == "[::1]" || host.starts_with("127.")
    }
}

impl fmt::Debug for HubOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("HubOptions")
            .field("cache", &self.cache)
            .field("endpoint", &self.endpoint)
            .field("has_token", &self.token.is_some())
            .field("offline", &self.offline)
            .field("retries", &self.retries)
            .field("pause", &self.pause)
            .field("connect_timeout", &self.connect_timeout)
            .field("stall_timeout", &self.stall_timeout)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::HubOptions;

    #[test]
    fn addresses_are_checked_and_trimmed() {
        let options = HubOptions::new("cache");
        for bad in [
            "",
            "huggingface.co",
            "ftp://host",
            "http://",
            "https://h/?q=1",
            "file:///x",
        ] {
            assert!(
                options.clone().endpoint(bad).is_err(),
                "{bad:?} must be refused"
            );
        }
        let trimmed = options.endpoint("http://host:8080/hub//").expect("valid");
        assert_eq!(trimmed.endpoint_url(), "http://host:8080/hub");
    }

    #[test]
    fn tokens_that_would_split_a_header_are_refused() {
        let options = HubOptions::new("cache");
        assert!(options.clone().token(Some("hf_a\r\nX-Evil: 1")).is_err());
        assert!(options.clone().token(Some("hf \u{e4}")).is_err());
        let trimmed = options
            .token(Some(" hf_a\n"))
            .expect("only the ends are blank");
        assert_eq!(trimmed.token_text(), Some("hf_a"));
    }

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let options = HubOptions::new("cache").retries(9, Duration::from_millis(10));
        assert_eq!(options.pause_before(0), Duration::from_millis(10));
        assert_eq!(options.pause_before(3), Duration::from_millis(80));
        assert_eq!(options.pause_before(u32::MAX), Duration::from_secs(30));
    }

    #[test]
    fn only_this_machine_is_loopback() {
        let at = |address| {
            HubOptions::new("c")
                .endpoint(address)
                .expect("valid")
                .is_loopback()
        };
        assert!(at("http://127.0.0.1:80") && at("http://localhost") && at("http://[::1]:8080"));
        assert!(!at("https://huggingface.co") && !at("http://10.0.0.1"));
    }
}
