//! Lending this machine's devices.

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
};

use burn::{
    server::{
        AuthorizationRequest, PeerAuthorizer, RemoteServer, ServeError, TokenAuthorizer,
        WebSocketTransport,
    },
    tensor::Device,
};
use tokio::runtime::Runtime;

/// Devices of this machine, and a port at which other processes reach them.
#[derive(Debug)]
pub struct Lender {
    listener: TcpListener,
    address: SocketAddr,
    devices: Vec<Device>,
    token: Option<TokenAuthorizer>,
}

/// Somebody who wants to compute here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Visit {
    /// Where they come from, as far as the network can be trusted.
    pub client: String,
    /// Which of the lent devices they want, counted from 0; there may be none of that number.
    pub index: u32,
    /// Whether their token is the lender's.
    pub admitted: bool,
}

/// Why devices cannot be lent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LendError {
    /// The port cannot be had.
    #[error("cannot listen on {address}: {source}; choose another --listen")]
    Listen {
        /// Address and port.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system gives no threads.
    #[error("cannot start the server: {0}")]
    Start(#[source] io::Error),
    /// burn cannot serve these devices, or its server stopped.
    #[error("cannot lend: {0}")]
    Serve(#[source] ServeError),
}

impl Lender {
    /// Takes the port; clients that connect from now on wait for [`Lender::serve`].
    ///
    /// Port 0 is one that the system chooses.
    ///
    /// # Errors
    ///
    /// [`LendError::Listen`] if the port is taken or not allowed.
    pub fn bind(address: SocketAddr, devices: Vec<Device>) -> Result<Self, LendError> {
        let failed = |source| LendError::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        Ok(Self {
            address: listener.local_addr().map_err(failed)?,
            listener,
            devices,
            token: None,
        })
    }

    /// Lets nobody compute who does not present `token`; an empty one is none.
    #[must_use]
    pub fn with_token(mut self, token: Option<String>) -> Self {
        self.token = token.and_then(|token| TokenAuthorizer::new(token).ok());
        self
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lends until the process ends, telling `visited` of everyone who asks.
    ///
    /// A client that breaks off ends its own session and no other.
    ///
    /// # Errors
    ///
    /// [`LendError::Serve`] if burn cannot lend these devices, such as two of different backends, or the server
    /// breaks down; [`LendError::Start`] if the system gives it no threads.
    pub fn serve(self, visited: impl Fn(&Visit) + Send + Sync + 'static) -> Result<(), LendError> {
        let server = RemoteServer::new(self.devices).with_authorizer(Doorkeeper {
            token: self.token,
            visited,
        });
        let transport = WebSocketTransport::from_listener(self.listener);
        // burn's own blocking call would write its log to standard output.
        let runtime = Runtime::new().map_err(LendError::Start)?;
        runtime
            .block_on(server.serve_async(transport))
            .map_err(LendError::Serve)
    }
}

struct Doorkeeper<F> {
    token: Option<TokenAuthorizer>,
    visited: F,
}

impl<F: Fn(&Visit) + Send + Sync + 'static> PeerAuthorizer for Doorkeeper<F> {
    fn authorize(&self, request: AuthorizationRequest<'_>) -> Result<(), String> {
        let mut visit = Visit {
            client: request.client.to_string(),
            index: request.device_index,
            admitted: true,
        };
        let answer = match &self.token {
            Some(token) => token.authorize(request),
            None => Ok(()),
        };
        visit.admitted = answer.is_ok();
        (self.visited)(&visit);
        answer
    }
}

impl fmt::Display for Visit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = if self.admitted {
            "admitted"
        } else {
            "refused: another token"
        };
        write!(
            formatter,
            "{} asks for device {}: {answer}",
            self.client, self.index
        )
    }
}
