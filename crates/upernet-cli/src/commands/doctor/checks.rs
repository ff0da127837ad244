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

/// What the reference's networks are compared with.
const PEER: &str = "ndarray";

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
    fn new(compared_with: &str, [forward, backward]: [f64; 2], allowed: [f64; 2]) -> Self {
        Self {
            compared_with: compared_with.to_owned(),
            forward,
            backward,
            allowed_forward: allowed[0],
            allowed_backward: allowed[1],
        }
    }

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
        let device = &found.device;
        let reference = (found.name != REFERENCE)
            .then(|| device::open(REFERENCE).ok())
            .flatten();
        match (self, reference) {
            (Self::Operation(operation), Some(reference)) => {
                let found = operation.compare(device, &reference);
                Ok(Measured::new(REFERENCE, found, [operations::ALLOWED; 2]))
            }
            (Self::Operation(operation), None) => {
                let found = operation.compare_with_host(device);
                Ok(Measured::new(
                    "64-bit sums",
                    found,
                    [operations::ALLOWED; 2],
                ))
            }
            (Self::Network(network), Some(reference)) => {
                let found = network.compare(device, &reference)?;
                Ok(Measured::new(REFERENCE, found, networks::ALLOWED))
            }
            (Self::Network(network), None) => {
                // Another backend is a better witness than the network itself.
                if let Ok(peer) = device::open(PEER) {
                    let found = network.compare(device, &peer)?;
                    return Ok(Measured::new(PEER, found, networks::ALLOWED));
                }
                let found = network.compare_with_itself(device)?;
                let with = "itself: image by image, differences of the loss";
                Ok(Measured::new(with, found, networks::ALLOWED_WITH_ITSELF))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device of another name is compared with flex; if it is flex, nothing may differ.
    #[test]
    fn a_device_is_compared_with_the_reference() {
        let device = device::open(REFERENCE).expect("in every test build");
        let found = Found {
            name: "another".to_owned(),
            device,
        };
        for name in ["convolution 3x3", "gather", "ConvNeXt UPerNet"] {
            let check = Check::named(name).expect("it exists");
            let measured = check.run(&found).expect("it runs");
            assert_eq!(measured.compared_with, REFERENCE);
            assert!(
                measured.is_ok() && measured.forward == 0.0,
                "{name}: {measured:?}"
            );
        }
    }

    #[test]
    fn what_is_off_fails() {
        for found in [
            [2e-4, 0.0],
            [0.0, 2e-4],
            [f64::INFINITY, 0.0],
            [0.0, f64::NAN],
        ] {
            assert!(
                !Measured::new("flex", found, [1e-4; 2]).is_ok(),
                "{found:?}"
            );
        }
    }

    #[test]
    fn names_are_unique() {
        let names: Vec<&str> = Check::all().iter().map(Check::name).collect();
        let unique: std::collections::HashSet<_> = names.iter().collect();
        assert_eq!(unique.len(), names.len());
    }
}
