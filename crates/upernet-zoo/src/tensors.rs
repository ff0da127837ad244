//! The weights of a model folder by their hub keys, for whoever builds the network with other means.

use std::collections::BTreeMap;

use burn::tensor::Device;
use upernet_hf::{
    ModelFolder,
    weights::{Checkpoint, TensorError},
};

use crate::{
    BuildOptions, Error, HubParameter, KeyReport, build_with, hub_parameters, match_up::MatchUp,
    names::HubNames,
};

/// The tensors of a model folder by their hub keys, whichever library named them in the file.
///
/// Every key of the checkpoint is accounted for, as in [`load`](crate::load); no tensor is read before
/// it is asked for.
#[derive(Debug)]
pub struct HubTensors<'a> {
    checkpoint: &'a Checkpoint,
    parameters: BTreeMap<String, HubParameter>,
    match_up: MatchUp,
}

impl<'a> HubTensors<'a> {
    /// Matches the weights of an opened folder with its config.
    ///
    /// `device` is where the network would be built; nothing is.
    ///
    /// # Errors
    ///
    /// As [`load`](crate::load), but for tensors that cannot be read.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use burn::tensor::Device;
    /// use upernet_zoo::{HubTensors, hf::ModelFolder};
    ///
    /// let folder = ModelFolder::open("upernet-swin-tiny".as_ref())?;
    /// let tensors = HubTensors::open(&folder, &Device::flex())?;
    /// let bias = tensors.read("decode_head.classifier.bias")?;
    /// assert_eq!(tensors.shape("decode_head.classifier.bias"), Some(&[bias.len()][..]));
    /// # Ok::<(), upernet_zoo::Error>(())
    /// ```
    pub fn open(folder: &'a ModelFolder, device: &Device) -> Result<Self, Error> {
        let checkpoint = &folder.checkpoint;
        let model = build_with(&folder.config, &BuildOptions::default(), device)?;
        let wanted = hub_parameters(&model, &folder.config);
        let names = HubNames::of_network_with(checkpoint, &wanted)?;
        let match_up = MatchUp::new(checkpoint, &folder.config, &wanted, names)?;
        if !match_up.report.is_complete() {
            return Err(Error::Weights {
                path: checkpoint.files()[0].clone(),
                report: Box::new(match_up.report),
            });
        }
        let parameters = wanted.into_iter();
        Ok(Self {
            checkpoint,
            parameters: parameters
                .map(|parameter| (parameter.key.clone(), parameter))
                .collect(),
            match_up,
        })
    }

    /// Returns what became of every key of the checkpoint.
    #[must_use]
    pub fn report(&self) -> &KeyReport {
        &self.match_up.report
    }

    /// Returns the shape of a parameter of the network, as files of the hub have it.
    #[must_use]
    pub fn shape(&self, key: &str) -> Option<&[usize]> {
        Some(self.parameters.get(key)?.shape())
    }

    /// Reads a parameter of the network, in row-major order and as files of the hub have it.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file and the tensor if the network has no such parameter, or it
    /// cannot be read.
    pub fn read(&self, key: &str) -> Result<Vec<f32>, upernet_hf::Error> {
        match self.parameters.get(key) {
            Some(parameter) => self.match_up.hub_values(self.checkpoint, parameter),
            None => Err(upernet_hf::Error::Tensor {
                path: self.checkpoint.files()[0].clone(),
                problem: TensorError::NotFound {
                    name: key.to_owned(),
                },
            }),
        }
    }
}
