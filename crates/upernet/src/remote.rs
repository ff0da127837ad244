//! Devices of other machines, through burn's remote backend over WebSocket.
//!
//! One machine lends its devices with a [`Lender`]; another names them by a [`RemoteAddress`] and computes on them
//! as on its own. [`device::open`](crate::device::open) takes such names too.
//!
//! burn's protocol over WebSocket is not encrypted. A token keeps strangers from computing, not from listening, and
//! whoever may compute can fill the lender's memory: lend on the machine alone, through a tunnel, or on a network
//! whose every member is trusted.

mod address;
mod lender;

use std::{
    env, io,
    net::{SocketAddr, TcpStream, ToSocketAddrs as _},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use burn::{
    remote::{ConnectError, RemoteHost},
    tensor::Device,
};

use crate::device::DeviceError;

pub use address::RemoteAddress;
pub use lender::{LendError, Lender, Visit};

/// The environment variable with the token that lender and borrower share.
pub const TOKEN_VARIABLE: &str = "UPERNET_REMOTE_TOKEN";

/// How long a lender may take to answer; one that is starting is waited for.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait before knocking again at a door that is shut.
const PAUSE: Duration = Duration::from_millis(200);

/// The token in [`TOKEN_VARIABLE`], or none.
#[must_use]
pub fn token_from_env() -> Option<String> {
    env::var(TOKEN_VARIABLE)
        .ok()
        .filter(|token| !token.is_empty())
}

/// Opens a device of another machine, presenting `token` if the lender asks for one.
///
/// # Errors
///
/// [`DeviceError::Remote`] if nothing answers within [`PATIENCE`], the lender refuses, or it was built with another
/// burn.
pub fn connect(address: &RemoteAddress, token: Option<&str>) -> Result<Device, DeviceError> {
    let (sender, receiver) = mpsc::channel();
    let (asked, token) = (address.clone(), token.map(str::to_owned));
    // A name server or a host that answers nothing holds this thread and not the caller.
    let attempt = thread::Builder::new().name("remote device".to_owned());
    let attempt = attempt.spawn(move || {
        // Nobody is left to tell once the caller has given up.
        let _ = sender.send(open(&asked, token));
    });
    let answer = match attempt {
        Ok(_) => receiver.recv_timeout(PATIENCE + PAUSE),
        Err(error) => Ok(Err(error.to_string())),
    };
    let problem = match answer {
        Ok(Ok(device)) => return Ok(device),
        Ok(Err(problem)) => problem,
        Err(RecvTimeoutError::Timeout) => {
            format!("it did not answer within {} s", PATIENCE.as_secs())
        }
        Err(RecvTimeoutError::Disconnected) => "burn's client broke down".to_owned(),
    };
    Err(DeviceError::Remote {
        name: address.to_string(),
        problem,
    })
}

fn open(address: &RemoteAddress, token: Option<String>) -> Result<Device, String> {
    // Without this, burn tries for 16 seconds and does not say what it waits for.
    wait_for(address, Instant::now() + PATIENCE)?;
    let mut host = RemoteHost::websocket(&address.url());
    if let Some(token) = token {
        host = host.with_credential(token);
    }
    let options = Device::remote_options(&host).device_index(address.index());
    options.init().map_err(|error| refusal(&error))
}

/// Returns once something listens at `address`.
fn wait_for(address: &RemoteAddress, deadline: Instant) -> Result<(), String> {
    let found = (address.host(), address.port()).to_socket_addrs();
    let found = found.map_err(|error| format!("its address cannot be found: {error}"))?;
    let found: Vec<SocketAddr> = found.collect();
    loop {
        let Err(error) = knock(&found, deadline) else {
            return Ok(());
        };
        if Instant::now() + PAUSE > deadline {
            return Err(format!(
                "nothing answered within {} s ({error}); start `upernet lend` there",
                PATIENCE.as_secs()
            ));
        }
        thread::sleep(PAUSE);
    }
}

fn knock(addresses: &[SocketAddr], deadline: Instant) -> io::Result<()> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        let left = deadline.saturating_duration_since(Instant::now());
        match TcpStream::connect_timeout(address, left.max(PAUSE)) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What burn says, in the words of this crate where they help.
fn refusal(error: &ConnectError) -> String {
    match error {
        ConnectError::Unauthorized => {
            format!("its token is another one; set {TOKEN_VARIABLE} to the lender's")
        }
        ConnectError::NoSuchDevice { device_count: 1 } => "one device is lent there, /0".to_owned(),
        ConnectError::NoSuchDevice { device_count } => {
            format!(
                "{device_count} devices are lent there, /0 to /{}",
                device_count.saturating_sub(1)
            )
        }
        other => other.to_string(),
    }
}
