//! The names of remote devices.

use std::{fmt, str::FromStr};

use crate::device::DeviceError;

/// Where a remote device is: `remote:host:port`, or `remote:host:port/n` for number `n` of those lent there, counted
/// from 0.
///
/// The host is a name, an IPv4 address, or an IPv6 address in brackets.
///
/// # Example
///
/// ```
/// use upernet::remote::RemoteAddress;
///
/// let address: RemoteAddress = "remote:[::1]:7700/1".parse()?;
/// assert_eq!((address.host(), address.port(), address.index()), ("::1", 7700, 1));
/// assert_eq!(address.to_string(), "remote:[::1]:7700/1");
/// # Ok::<(), upernet::device::DeviceError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RemoteAddress {
    host: String,
    port: u16,
    index: usize,
}

impl RemoteAddress {
    /// The host's name or address, without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Which of the devices that are lent there, counted from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The lender's address, as burn takes it.
    pub(super) fn url(&self) -> String {
        format!("ws://{}:{}", self.bracketed(), self.port)
    }

    fn bracketed(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        }
    }

    fn parse(name: &str) -> Option<Self> {
        // burn numbers them with 16 bits.
        const MOST: usize = u16::MAX as usize;
        let rest = name.strip_prefix("remote:")?;
        let (rest, index) = match rest.split_once('/') {
            Some((rest, index)) => (rest, index.parse().ok().filter(|&index| index <= MOST)?),
            None => (rest, 0),
        };
        let (host, port) = rest.rsplit_once(':')?;
        let port = port.parse().ok().filter(|&port| port != 0)?;
        let host = match host.strip_prefix('[') {
            Some(inner) => {
                let inner = inner.strip_suffix(']')?;
                inner.parse::<std::net::Ipv6Addr>().ok()?;
                inner
            }
            None => Some(host).filter(|host| is_name(host))?,
        };
        Some(Self {
            host: host.to_owned(),
            port,
            index,
        })
    }
}

impl FromStr for RemoteAddress {
    type Err = DeviceError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::parse(name).ok_or_else(|| DeviceError::Unknown {
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for RemoteAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "remote:{}:{}", self.bracketed(), self.port)?;
        match self.index {
            0 => Ok(()),
            index => write!(formatter, "/{index}"),
        }
    }
}

/// Whether this can be a host's name: what else could be in it would mean something in a URL.
fn is_name(host: &str) -> bool {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    (1..=253).contains(&host.len()) && host.bytes().all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_as_they_were() {
        for name in [
            "remote:gpu:7700",
            "remote:127.0.0.1:1",
            "remote:gpu-2.lab.example:65535/3",
            "remote:[2001:db8::1]:7700",
        ] {
            let address: RemoteAddress = name.parse().expect("well formed");
            assert_eq!(address.to_string(), name);
        }
        let first: RemoteAddress = "remote:gpu:7700/0".parse().expect("well formed");
        assert_eq!(first.to_string(), "remote:gpu:7700");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for name in [
            "remote",
            "remote:",
            "remote:gpu",
            "remote:gpu:",
            "remote:gpu:0",
            "remote:gpu:65536",
            "remote::7700",
            "remote:gpu:7700/",
            "remote:gpu:7700/65536",
            "remote:gpu:7700/-1",
            "remote:user@gpu:7700",
            "remote:ws://gpu:7700",
            "remote:g pu:7700",
            "remote:::1:7700",
            "remote:[gpu]:7700",
            "flex",
        ] {
            assert!(name.parse::<RemoteAddress>().is_err(), "{name}");
        }
    }
}
