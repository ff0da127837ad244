//! What is checked, and how a check is run in this process.

use serde::{Deserialize, Serialize};
use upernet::device::{self, Found};

use super::{
    networks::{self, Network},
    operations::{self, Operation},
};
use crate::failure::Failure;

/// The backend that is tested against `PyTorch`, and so the one that others are compared with.
const REFERENCE: &str = "flex";

/// An operation or a network.
pub(super) enum Check {
    Operation(&'static Operation),
    Network(Network),
}

/// How far a device is off.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Measured {
    pub(super) compared_with: String,
    pub(super) forward: f64,
    pub(super) backward: f64,
    allowed_forward: f64,
    allowed_backward: f64,
}

impl Measured {
    pub(super) fn is_ok(&self) -> bool {
        self.forward <= self.allowed_forward && self.backward <= self.allowed_backward
    }
}

impl Check {
    pub(super) fn all() -> Vec<Self> {
        let operations = operations::ALL.iter().map(Self::Operation);
        operations.chain(Network::ALL.map(Self::Network)).collect()
    }

    pub(super) fn named(name: &str) -> Result<Self, Failure> {
        let found = Self::all().into_iter().find(|check| check.name() == name);
        found.ok_or_else(|| Failure::Usage(format!("no check is called {name:?}")))
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Operation(operation) => operation.name,
            Self::Network(network) => network.name(),
        }
    }

    /// Runs the check on a device and on what it is compared with.
    pub(super) fn run(&self, found: &Found) -> Result<Measured, Failure> {
        let reference = if found.name == REFERENCE {
            None
        } else {
            device::open(REFERENCE).ok()
        };
        match (self, reference) {
            (Self::Operation(operation), Some(reference)) => {
                let [forward, backward] = operation.compare(&found.device, &reference);
                Ok(Self::of_operation(REFERENCE, forward, backward))
            }
            (Self::Operation(operation), None) => {
                let [forward, backward] = operation.compare_with_host(&found.device);
                Ok(Self::of_operation("64-bit sums", forward, backward))
            }
            (Self::Network(network), reference) => {
                // Another backend is the better witness than the network itself.
                let peer = reference.map(|device| (REFERENCE, device));
                let peer = peer.or_else(|| Some(("ndarray", device::open("ndarray").ok()?)));
                match peer {
                    Some((name, peer)) => {
                        let [forward, backward] = network.compare(&found.device, &peer)?;
                        Ok(Measured {
                            compared_with: name.to_owned(),
                            forward,
                            backward,
                            allowed_forward: networks::ALLOWED_FORWARD,
                            allowed_backward: networks::ALLOWED_BACKWARD,
                        })
                    }
                    None => {
                        let [forward, backward] = network.compare_with_itself(&found.device)?;
                        Ok(Measured {
                            compared_with: "itself: image by image; differences of the loss"
                                .to_owned(),
                            forward,
                            backward,
                            allowed_forward: networks::ALLOWED_FORWARD,
                            allowed_backward: networks::ALLOWED_DIFFERENCES,
                        })
                    }
                }
            }
        }
    }

    fn of_operation(compared_with: &str, forward: f64, backward: f64) -> Measured {
        Measured {
            compared_with: compared_with.to_owned(),
            forward,
            backward,
            allowed_forward: operations::ALLOWED,
            allowed_backward: operations::ALLOWED,
        }
    }
}
